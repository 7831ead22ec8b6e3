// The flame graph: boxes on a canvas, with a pointer, a keyboard and a spoken name each.

import { announce, colour, font, h, setVar } from "../dom.ts";
import { bytes, change, shortFunction } from "../format.ts";
import { type Diff } from "./model.ts";
import { type Flame } from "./layout.ts";

const BOX = 20; // CSS pixels a row
const LEAST = 0.5; // width from which on a box is drawn
const TEXT_FROM = 32; // width from which on it is named

export interface FlameEvents {
  /** A box became the whole width; 0 is all. */
  zoomed(box: number): void;
  /** A box was pointed at or walked to. */
  chosen(box: number): void;
}

export class FlameGraph {
  readonly element: HTMLElement;
  /** How long the last drawing took, ms. */
  drawMs = 0;
  private readonly canvas = h("canvas", { class: "flame-canvas", "aria-hidden": "true" });
  private readonly tip = h("div", { class: "flame-tip", "aria-hidden": "true" });
  private readonly surface: HTMLElement;
  private flame: Flame | null = null;
  private zoom = 0;
  private current = 0;
  private lit: Uint8Array | null = null;
  private found: Uint8Array | null = null;
  private frame = 0;

  constructor(
    private readonly diff: () => Diff,
    private readonly events: FlameEvents,
  ) {
    this.surface = h(
      "div",
      {
        class: "flame-surface",
        tabindex: 0,
        role: "application",
        "aria-roledescription": "flame graph",
        "aria-label": "Flame graph of growth. Arrow keys walk, Enter zooms, Escape shows all.",
        onpointermove: (event: PointerEvent) => this.point(event),
        onpointerleave: () => this.tip.classList.remove("shown"),
        onclick: (event: MouseEvent) => this.click(event),
        onkeydown: (event: KeyboardEvent) => this.key(event),
      },
      this.canvas,
    );
    this.element = h("div", { class: "flame" }, this.surface, this.tip);
    new ResizeObserver(() => this.redraw()).observe(this.surface);
    window.addEventListener("themechange", () => this.redraw());
  }

  /** Shows a layout from `zoom` on. */
  show(flame: Flame, zoom = 0): void {
    this.flame = flame;
    this.zoom = zoom;
    this.current = zoom;
    this.lit = null;
    this.redraw();
  }

  zoomTo(box: number): void {
    this.zoom = box;
    this.current = box;
    this.redraw();
  }

  /** Dims all but these boxes; null dims none. */
  light(lit: Uint8Array | null): void {
    this.lit = lit;
    this.redraw();
  }

  /** Marks the boxes of functions that a search finds, and returns their share of the whole. */
  search(words: string): number | null {
    const { flame } = this;
    const text = words.trim().toLowerCase();
    this.found = null;
    if (flame && text) {
      const hits = this.diff().strings.map((name) => name.toLowerCase().includes(text));
      this.found = Uint8Array.from(flame.name, (name) => (name >= 0 && hits[name] ? 1 : 0));
    }
    this.redraw();
    return this.found && flame ? share(flame, this.found) : null;
  }

  private redraw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const { flame, canvas } = this;
    if (!flame) return;
    const begun = performance.now();
    const depth = flame.rows.length - 1;
    const width = this.surface.clientWidth;
    const height = depth * BOX;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    setVar(canvas, "height", `${height}px`);
    const pen = canvas.getContext("2d");
    if (!pen || !width) return;
    pen.scale(scale, scale);
    pen.font = font(12);
    pen.textBaseline = "middle";
    const colours = palette();
    const [from, factor] = [flame.x[this.zoom], width / (flame.width[this.zoom] || 1)];
    const right = from + flame.width[this.zoom];
    const paths: Map<string, number[]> = new Map();
    const texts: number[] = [];
    const zoomedDepth = flame.depth[this.zoom];
    for (let box = 0; box < flame.name.length; box += 1) {
      let x = (flame.x[box] - from) * factor;
      let wide = flame.width[box] * factor;
      const above = flame.depth[box] < zoomedDepth;
      if (above) {
        if (flame.x[box] > from + 1e-12 || flame.x[box] + flame.width[box] < right - 1e-12) continue;
        [x, wide] = [0, width];
      } else if (wide < LEAST || x + wide < 0 || x >= width - 1e-6) continue;
      const shown = this.shade(flame, box, above, colours);
      let boxes = paths.get(shown);
      if (!boxes) paths.set(shown, (boxes = []));
      boxes.push(x, flame.depth[box] * BOX, wide);
      if (wide >= TEXT_FROM) texts.push(box, x, wide);
    }
    for (const [shown, boxes] of paths) {
      pen.fillStyle = shown;
      for (let at = 0; at < boxes.length; at += 3) {
        pen.fillRect(boxes[at], boxes[at + 1], Math.max(boxes[at + 2] - 1, LEAST), BOX - 1);
      }
    }
    this.write(pen, texts, colours);
    this.outline(pen, from, factor, colours);
    this.drawMs = performance.now() - begun;
    this.element.dataset.drawMs = this.drawMs.toFixed(1);
    this.element.dataset.boxes = String(flame.name.length);
  }

  private shade(flame: Flame, box: number, above: boolean, colours: Palette): string {
    if (this.found) return this.found[box] ? colours.found : colours.dim;
    if (above || (this.lit && !this.lit[box])) return colours.dim;
    const [before, after] = [flame.before[box], flame.after[box]];
    const most = Math.max(before, after);
    return shade(colours, most ? (after - before) / most : 0);
  }

  private write(pen: CanvasRenderingContext2D, texts: number[], colours: Palette): void {
    const flame = this.flame!;
    const letter = pen.measureText("n").width;
    for (let at = 0; at < texts.length; at += 3) {
      const [box, x, wide] = [texts[at], texts[at + 1], texts[at + 2]];
      const room = Math.floor((Math.min(wide, this.surface.clientWidth - x) - 8) / letter);
      const dim = (this.found && !this.found[box]) || (this.lit && !this.lit[box]);
      pen.fillStyle = dim ? colours.dimText : colours.text;
      let text = this.name(box);
      if (text.length > room) text = room > 3 ? `${text.slice(0, room - 1)}…` : "";
      if (text) pen.fillText(text, Math.max(x, 0) + 4, flame.depth[box] * BOX + BOX / 2);
    }
  }

  private outline(pen: CanvasRenderingContext2D, from: number, factor: number, colours: Palette): void {
    const flame = this.flame!;
    if (!this.current || document.activeElement !== this.surface) return;
    const above = flame.depth[this.current] < flame.depth[this.zoom];
    const x = above ? 0 : (flame.x[this.current] - from) * factor;
    const wide = above ? this.surface.clientWidth : flame.width[this.current] * factor;
    pen.strokeStyle = colours.text;
    pen.lineWidth = 2;
    pen.strokeRect(x + 1, flame.depth[this.current] * BOX + 1, Math.max(wide - 3, 2), BOX - 3);
  }

  private name(box: number): string {
    const { flame } = this;
    return box === 0 ? "all" : shortFunction(this.diff().text(flame!.name[box])) || "unknown";
  }

  private at(event: MouseEvent): number {
    const { flame } = this;
    if (!flame) return -1;
    const place = this.canvas.getBoundingClientRect();
    const depth = Math.floor((event.clientY - place.top) / BOX);
    if (depth < 0 || depth >= flame.rows.length - 1) return -1;
    const share = (event.clientX - place.left) / place.width;
    const x = flame.x[this.zoom] + share * flame.width[this.zoom];
    for (let box = flame.rows[depth]; box < flame.rows[depth + 1]; box += 1) {
      if (x >= flame.x[box] && x < flame.x[box] + flame.width[box]) return box;
    }
    return -1;
  }

  private point(event: PointerEvent): void {
    const box = this.at(event);
    const over = box >= 0;
    this.tip.classList.toggle("shown", over);
    this.surface.classList.toggle("over", over);
    if (!over) return;
    this.tip.replaceChildren(h("strong", {}, this.fullName(box)), h("span", {}, this.told(box)));
    const place = this.element.getBoundingClientRect();
    const x = Math.min(event.clientX - place.left + 12, place.width - this.tip.offsetWidth - 4);
    setVar(this.tip, "left", `${Math.max(x, 4)}px`);
    setVar(this.tip, "top", `${event.clientY - place.top + 16}px`);
  }

  private click(event: MouseEvent): void {
    const box = this.at(event);
    if (box < 0) return;
    this.zoomTo(box);
    this.events.zoomed(box);
  }

  private fullName(box: number): string {
    return box === 0 ? "all" : this.diff().text(this.flame!.name[box]) || "unknown function";
  }

  private told(box: number): string {
    const flame = this.flame!;
    const grown = flame.after[box] - flame.before[box];
    return `${change(grown)}: ${bytes(flame.before[box])} before, ${bytes(flame.after[box])} after`;
  }

  private key(event: KeyboardEvent): void {
    const { flame } = this;
    if (!flame) return;
    const next = this.step(event.key);
    if (next === null) return;
    event.preventDefault();
    if (event.key === "Enter" || event.key === "Escape") {
      this.zoomTo(next);
      this.events.zoomed(next);
    } else {
      this.current = next;
      this.redraw();
      this.events.chosen(next);
    }
    announce(`${this.fullName(next)}, ${this.told(next)}`);
  }

  private step(key: string): number | null {
    const flame = this.flame!;
    const [at, depth] = [this.current, flame.depth[this.current]];
    const last = flame.rows.length - 2;
    switch (key) {
      case "ArrowUp":
        return at ? flame.parent[at] : at;
      case "ArrowDown": {
        if (depth === last) return at;
        for (let box = flame.rows[depth + 1]; box < flame.rows[depth + 2]; box += 1) {
          if (flame.parent[box] === at) return box;
        }
        return at;
      }
      case "ArrowLeft":
        return at > flame.rows[depth] ? at - 1 : at;
      case "ArrowRight":
        return at + 1 < flame.rows[depth + 1] ? at + 1 : at;
      case "Enter":
        return at;
      case "Escape":
        return 0;
      default:
        return null;
    }
  }
}

function share(flame: Flame, found: Uint8Array): number {
  const under = new Uint8Array(found.length);
  let sum = 0;
  for (let box = 0; box < found.length; box += 1) {
    const inside = box > 0 && under[flame.parent[box]];
    under[box] = inside || found[box] ? 1 : 0;
    if (found[box] && !inside) sum += flame.width[box];
  }
  return sum;
}

interface Palette {
  grown: string[];
  shrunk: string[];
  same: string;
  dim: string;
  found: string;
  text: string;
  dimText: string;
}

function palette(): Palette {
  const ramp = (name: string) => [1, 2, 3, 4].map((at) => colour(`--${name}-${at}`));
  return {
    grown: ramp("grown"),
    shrunk: ramp("shrunk"),
    same: colour("--flame-same"),
    dim: colour("--flame-dim"),
    found: colour("--flame-found"),
    text: colour("--flame-text"),
    dimText: colour("--muted"),
  };
}

function shade(colours: Palette, share: number): string {
  if (Math.abs(share) < 0.02) return colours.same;
  const ramp = share > 0 ? colours.grown : colours.shrunk;
  return ramp[Math.min(Math.floor(Math.abs(share) * 4), 3)];
}
