// Time series of a target on one axis of time, with marks, bands, and a brush for two captures.

import uPlot from "uplot";
import { colour, font, h, hidden, replace } from "../dom.ts";
import { bytes, count, moment, size } from "../format.ts";
import { decorate, lanesOf, STRIP, stripAt, tint, type Lane } from "./decorations.ts";

export interface Line {
  name: string;
  colour: string; // a custom property
  values: (number | null)[];
}

export interface Mark {
  at: number; // seconds
  text: string;
}

/** A span in which something was so, such as a finding; its strip leads to `link`. */
export interface Band {
  from: number; // seconds
  until: number;
  text: string;
  colour: string; // a custom property
  link?: string;
}

export interface ChartInput {
  title: string;
  unit: "bytes" | "count";
  times: number[]; // seconds
  lines: Line[];
  marks: Mark[];
  bands?: Band[];
  /** Places among the times where another process begins. */
  breaks?: number[];
  /** Drawn one above the other. */
  stacked?: boolean;
}

export interface Picked {
  a: number | null; // seconds
  b: number | null;
  /** Whether the span between them is shaded; so unless told. */
  shaded?: boolean;
}

const SYNC = "target";
const MANY = 40; // captures from which on they are not dotted
const POWERS = Array.from({ length: 50 }, (_, at) => 2 ** at); // steps of an axis of bytes

/** A chart that tells which span was brushed, or which moment was clicked, in seconds. */
export class SeriesChart {
  readonly element: HTMLElement;
  private readonly place = h("div", { class: "plot" });
  private readonly caption = h("figcaption", {});
  private plot: uPlot | null = null;
  private lanes: Lane[] = [];
  private picked: Picked = { a: null, b: null };
  private readonly redress = () => this.draw();

  constructor(
    private input: ChartInput,
    private readonly brushed: (from: number, until: number) => void,
    private readonly clicked: (at: number) => void,
  ) {
    this.element = h("figure", { class: `chart card${input.stacked ? " stacked" : ""}` }, this.caption, this.place);
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

  /** Shows other values; the pointer's place and a brush under way stay where only values changed. */
  update(input: ChartInput): void {
    const shape = (of: ChartInput) => JSON.stringify([of.unit, of.stacked, of.lines.map(({ name, colour }) => [name, colour])]);
    const same = shape(input) === shape(this.input);
    this.input = input;
    if (!this.plot || !same) return this.draw();
    this.name();
    this.plot.setData(this.data());
  }

  pick(picked: Picked): void {
    this.picked = picked;
    this.plot?.redraw(false);
  }

  private get height(): number {
    return this.place.clientWidth < 500 ? 150 : 190;
  }

  private draw(): void {
    this.plot?.destroy();
    this.plot = null;
    this.name();
    if (!this.place.clientWidth) return;
    this.plot = new uPlot(this.options(), this.data(), this.place);
    this.plot.over.setAttribute("aria-hidden", "true");
  }

  private name(): void {
    this.lanes = lanesOf(this.input.bands ?? []);
    replace(this.caption, this.input.title, hidden(spoken(this.input)));
  }

  private data(): uPlot.AlignedData {
    const { times, lines, stacked } = this.input;
    return [times, ...(stacked ? piled(lines) : lines.map((line) => line.values))] as uPlot.AlignedData;
  }

  private options(): uPlot.Options {
    const { input } = this;
    const [ink, grid] = [colour("--muted"), colour("--line")];
    const write = input.unit === "bytes" ? bytes : count;
    const last = (at: number) => this.input.times.length - 1 - [...this.input.lines[at].values].reverse().findIndex((value) => value !== null);
    const written = (at: number, place: number) => {
      const value = this.input.lines[at].values[place] ?? null;
      return value === null ? "unknown" : write(value);
    };
    // uPlot knows `gaps`, and its types do not.
    const broken: object = { gaps: (plot: uPlot, number: number) => this.gaps(plot, number) };
    const axis = { stroke: ink, font: font(11), grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    return {
      width: this.place.clientWidth,
      height: this.height,
      padding: [8, 8, 0, 0],
      cursor: { sync: { key: SYNC }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      legend: { live: true },
      scales: { y: { range: (_, __, most) => [0, ((most || 1) * 1.08) / (1 - (STRIP * this.lanes.length) / this.height)] } },
      axes: [
        { ...axis, size: 26, space: 70, values: clock },
        { ...axis, size: 64, ...(input.unit === "bytes" ? { incrs: POWERS } : {}), values: (_, ticks) => ticks.map((tick) => (input.unit === "bytes" ? size(tick) : count(tick))) },
      ],
      series: [
        { label: "at", value: (_, at) => (moment((at ?? this.input.times[this.input.times.length - 1]) * 1000)) },
        ...input.lines.map((line, at) => {
          const ink = colour(line.colour);
          return {
            label: line.name,
            stroke: ink,
            width: input.stacked ? 1 : 1.75,
            ...broken,
            points: { show: () => !input.stacked && this.input.times.length < MANY, size: 4, fill: ink },
            ...(input.stacked ? { fill: `color-mix(in srgb, ${ink} 55%, ${colour("--card")})` } : at === 0 ? { fill: `color-mix(in srgb, ${ink} 10%, transparent)` } : {}),
            value: (_: uPlot, __: number, ___: number, place: number | null) => written(at, place ?? last(at)),
          };
        }),
      ],
      hooks: {
        setSelect: [(plot) => this.selected(plot)],
        drawClear: [(plot) => tint(plot, this.lanes)],
        draw: [(plot) => decorate(plot, { lanes: this.lanes, marks: this.input.marks, picked: this.picked })],
        ready: [(plot) => this.listen(plot)],
      },
    };
  }

  /** Where a line ends, in device pixels: between two processes. What one visit leaves out is bridged. */
  private gaps(plot: uPlot, number: number): [number, number][] {
    if (this.input.stacked) return [];
    const [times, values] = [plot.data[0], plot.data[number]];
    const x = (place: number) => plot.valToPos(times[place], "x", true);
    return (this.input.breaks ?? []).flatMap((at): [number, number][] => {
      let [from, until] = [at - 1, at];
      while (from >= 0 && values[from] === null) from -= 1;
      while (until < values.length && values[until] === null) until += 1;
      return from < 0 || until >= values.length ? [] : [[x(from), x(until)]];
    });
  }

  private listen(plot: uPlot): void {
    let down = 0;
    plot.over.addEventListener("pointerdown", (event) => (down = event.clientX));
    plot.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - down) >= 4) return;
      const strip = stripAt(plot, this.lanes, event.offsetX, event.offsetY);
      if (strip?.link) location.hash = strip.link;
      else this.clicked(plot.posToVal(event.offsetX, "x"));
    });
  }

  private selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const [from, until] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.brushed(from, until);
  }
}

/** The chart in a sentence, for those who do not see it. */
function spoken({ lines, times, unit, marks }: ChartInput): string {
  if (!times.length) return "";
  const write = unit === "bytes" ? bytes : count;
  const of = ({ name, values }: Line) => {
    const known = values.filter((value) => value !== null);
    return known.length ? `${name} from ${write(known[0])} to ${write(known[known.length - 1])}, at most ${write(Math.max(...known))}` : `${name} unknown`;
  };
  const told = marks.map(({ text, at }) => `${text} at ${moment(at * 1000)}`);
  return `, ${moment(times[0] * 1000)} to ${moment(times[times.length - 1] * 1000)}: ${[...lines.map(of), ...told].join("; ")}`;
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
