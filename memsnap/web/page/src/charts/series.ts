// Time series of a target on one axis of time, with marks, bands, and a brush for two captures.

import uPlot from "uplot";
import { h, token } from "../dom.ts";
import { bytes, count } from "../format.ts";

export interface Line {
  name: string;
  colour: string; // a custom property
  values: (number | null)[];
}

export interface Mark {
  at: number; // seconds
  text: string;
}

export interface ChartInput {
  title: string;
  unit: "bytes" | "count";
  times: number[]; // seconds
  lines: Line[];
  marks: Mark[];
  /** Drawn one above the other. */
  stacked?: boolean;
}

export interface Picked {
  a: number | null; // seconds
  b: number | null;
}

const SYNC = "target";
const POWERS = Array.from({ length: 50 }, (_, at) => 2 ** at); // steps of an axis of bytes

/** A chart that tells which span was brushed, or which moment was clicked, in seconds. */
export class SeriesChart {
  readonly element: HTMLElement;
  private readonly place = h("div", { class: "plot" });
  private plot: uPlot | null = null;
  private picked: Picked = { a: null, b: null };
  private readonly redress = () => this.draw();

  constructor(
    private input: ChartInput,
    private readonly brushed: (from: number, until: number) => void,
    private readonly clicked: (at: number) => void,
  ) {
    this.element = h("figure", { class: "chart card" }, h("figcaption", {}, input.title), this.place);
    let width = 0;
    new ResizeObserver(() => {
      const now = this.place.clientWidth;
      if (!now || now === width) return;
      width = now;
      if (this.plot) this.plot.setSize({ width, height: this.height });
      else this.draw();
    }).observe(this.place);
    window.addEventListener("themechange", this.redress);
  }

  stop(): void {
    window.removeEventListener("themechange", this.redress);
    this.plot?.destroy();
  }

  update(input: ChartInput): void {
    this.input = input;
    this.draw();
  }

  pick(picked: Picked): void {
    this.picked = picked;
    this.plot?.redraw(false);
  }

  private get height(): number {
    return this.place.clientWidth < 500 ? 150 : 190;
  }

  private draw(): void {
    const { input } = this;
    this.plot?.destroy();
    if (!this.place.clientWidth) return;
    const columns = input.stacked ? piled(input.lines) : input.lines.map((line) => line.values);
    this.plot = new uPlot(this.options(), [input.times, ...columns] as uPlot.AlignedData, this.place);
    this.plot.over.setAttribute("aria-hidden", "true");
  }

  private options(): uPlot.Options {
    const { input } = this;
    const [ink, grid] = [token("--muted"), token("--line")];
    const font = `11px ${token("--sans")}`;
    const write = input.unit === "bytes" ? bytes : count;
    const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    return {
      width: this.place.clientWidth,
      height: this.height,
      padding: [8, 8, 0, 0],
      cursor: { sync: { key: SYNC }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      legend: { live: true },
      scales: { y: { range: (_, __, most) => [0, (most || 1) * 1.08] } },
      axes: [
        { ...axis, size: 26, space: 100, values: clock },
        { ...axis, size: 64, ...(input.unit === "bytes" ? { incrs: POWERS } : {}), values: (_, ticks) => ticks.map((tick) => write(tick)) },
      ],
      series: [
        { value: (_, at) => (at === null ? "–" : new Date(at * 1000).toLocaleTimeString()) },
        ...input.lines.map((line, at) => {
          const colour = token(line.colour);
          return {
            label: line.name,
            stroke: colour,
            width: input.stacked ? 1 : 1.75,
            spanGaps: true, // some numbers are not taken at every visit
            points: { show: line.values.filter((value) => value !== null).length < 40, size: 4, fill: colour },
            ...(input.stacked ? { fill: `color-mix(in srgb, ${colour} 55%, ${token("--card")})` } : at === 0 ? { fill: `color-mix(in srgb, ${colour} 10%, transparent)` } : {}),
            value: (_: uPlot, __: number, ___: number, place: number | null) =>
              place === null ? "–" : input.lines[at].values[place] === null ? "unknown" : write(input.lines[at].values[place]),
          };
        }),
      ],
      hooks: {
        setSelect: [(plot) => this.selected(plot)],
        draw: [(plot) => this.decorate(plot)],
        ready: [(plot) => this.listen(plot)],
      },

    };
  }

  private listen(plot: uPlot): void {
    let down = 0;
    plot.over.addEventListener("pointerdown", (event) => (down = event.clientX));
    plot.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - down) < 4) this.clicked(plot.posToVal(event.offsetX, "x"));
    });
  }

  private selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const [from, until] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.brushed(from, until);
  }

  /** Marks of restarts and builds, and the chosen captures. */
  private decorate(plot: uPlot): void {
    const pen = plot.ctx;
    const { left, top, width, height } = plot.bbox;
    const scale = devicePixelRatio;
    const at = (seconds: number) => plot.valToPos(seconds, "x", true);
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    pen.font = `${11 * scale}px ${token("--sans")}`;
    pen.textAlign = "left";
    pen.textBaseline = "alphabetic";
    for (const mark of this.input.marks) {
      const x = at(mark.at);
      line(pen, x, top, height, token("--mark"), [4 * scale, 3 * scale], scale);
      pen.fillStyle = token("--mark");
      pen.fillText(mark.text, x + 4 * scale, top + 11 * scale);
    }
    const { a, b } = this.picked;
    if (a !== null && b !== null) {
      pen.fillStyle = token("--brush");
      pen.fillRect(at(a), top, at(b) - at(a), height);
    }
    for (const [letter, when] of [["A", a], ["B", b]] as const) {
      if (when === null) continue;
      const x = at(when);
      line(pen, x, top, height, token("--accent"), [], 1.5 * scale);
      const right = x > left + width - 20 * scale;
      pen.fillStyle = token("--accent");
      pen.fillRect(right ? x - 16 * scale : x, top, 16 * scale, 16 * scale);
      pen.fillStyle = token("--on-accent");
      pen.fillText(letter, (right ? x - 16 * scale : x) + 4.5 * scale, top + 12 * scale);
    }
    pen.restore();
  }
}

function line(pen: CanvasRenderingContext2D, x: number, top: number, height: number, colour: string, dash: number[], wide: number): void {
  pen.strokeStyle = colour;
  pen.lineWidth = wide;
  pen.setLineDash(dash);
  pen.beginPath();
  pen.moveTo(x, top);
  pen.lineTo(x, top + height);
  pen.stroke();
  pen.setLineDash([]);
}

/** Sums from below: the last line is drawn first, as the highest. */
function piled(lines: Line[]): (number | null)[][] {
  const sums: number[] = [];
  const piles = [...lines].reverse().map((each) => each.values.map((value, at) => (sums[at] = (sums[at] ?? 0) + (value ?? 0))));
  return piles.reverse();
}

function clock(_: uPlot, ticks: number[]): string[] {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 60;
  const format = new Intl.DateTimeFormat(undefined, step >= 86_400 ? { month: "short", day: "numeric" } : step >= 60 ? { hour: "2-digit", minute: "2-digit" } : { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return ticks.map((tick) => format.format(tick * 1000));
}
