// What is drawn over and under the lines of a chart: bands of findings, marks, the chosen captures.

import type uPlot from "uplot";
import { colour, font } from "../dom.ts";
import type { Band, Mark, Picked } from "./series.ts";

/** The height of a band's strip, CSS pixels. */
export const STRIP = 17;
const MOST_LANES = 3;
const LEAST_PIXELS = 6; // of a strip, so that a finding of a moment is seen
const MANY = 12; // marks from which on they would hide the lines
const SHORT = 12; // CSS pixels
const LETTER = 16; // the side of an A or B

/** Bands that do not overlap, which share one line of strips. */
export type Lane = Band[];

/** Puts bands that overlap into lanes of their own; the last ones that find no room are not drawn. */
export function lanesOf(bands: Band[]): Lane[] {
  const lanes: Lane[] = [];
  for (const band of bands) {
    const free = lanes.find((lane) => lane.every((each) => each.until <= band.from || band.until <= each.from));
    if (free) free.push(band);
    else if (lanes.length < MOST_LANES) lanes.push([band]);
  }
  return lanes;
}

/** The band whose strip lies at a place of the plot, CSS pixels. */
export function stripAt(plot: uPlot, lanes: Lane[], x: number, y: number): Band | undefined {
  const seconds = plot.posToVal(x, "x");
  return lanes[Math.floor(y / STRIP)]?.find((band) => band.from <= seconds && seconds <= band.until);
}

/** A light ground under the lines for each band. */
export function tint(plot: uPlot, lanes: Lane[]): void {
  const pen = begin(plot);
  pen.globalAlpha = 0.07;
  for (const band of lanes.flat()) {
    const [x, wide] = place(plot, band);
    pen.fillStyle = colour(band.colour);
    pen.fillRect(x, plot.bbox.top, wide, plot.bbox.height);
  }
  pen.restore();
}

export function decorate(plot: uPlot, { lanes, marks, picked }: { lanes: Lane[]; marks: Mark[]; picked: Picked }): void {
  const pen = begin(plot);
  const scale = devicePixelRatio;
  lanes.forEach((lane, at) => lane.forEach((band) => strip(pen, plot, band, at)));
  drawMarks(pen, plot, marks, lanes.length * STRIP * scale);
  const { a, b } = picked;
  const { top, height } = plot.bbox;
  if (a !== null && b !== null && picked.shaded !== false) {
    const [from, until] = [plot.valToPos(a, "x", true), plot.valToPos(b, "x", true)];
    pen.fillStyle = colour("--brush");
    pen.fillRect(from, top, until - from, height);
  }
  const near = a !== null && b !== null && plot.valToPos(b, "x") - plot.valToPos(a, "x") < LETTER;
  if (a !== null) end(pen, plot, "A", { seconds: a, raised: false });
  if (b !== null) end(pen, plot, "B", { seconds: b, raised: near });
  pen.restore();
}

function begin(plot: uPlot): CanvasRenderingContext2D {
  const pen = plot.ctx;
  const { left, top, width, height } = plot.bbox;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.font = font(11 * devicePixelRatio);
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  return pen;
}

/** Left edge and width in device pixels. */
function place(plot: uPlot, band: Band): [number, number] {
  const x = plot.valToPos(band.from, "x", true);
  return [x, Math.max(plot.valToPos(band.until, "x", true) - x, LEAST_PIXELS * devicePixelRatio)];
}

function strip(pen: CanvasRenderingContext2D, plot: uPlot, band: Band, lane: number): void {
  const scale = devicePixelRatio;
  const [x, wide] = place(plot, band);
  const [top, high] = [plot.bbox.top + lane * STRIP * scale, (STRIP - 2) * scale];
  pen.fillStyle = colour(`${band.colour.replace("-ink", "-back")}`);
  pen.fillRect(x, top, wide, high);
  pen.fillStyle = colour(band.colour);
  pen.fillRect(x, top, 2 * scale, high);
  const from = Math.max(x, plot.bbox.left) + 6 * scale;
  const text = fitted(pen, band.text, x + wide - from - 4 * scale);
  pen.fillText(text, from, top + high / 2 + scale / 2);
}

function fitted(pen: CanvasRenderingContext2D, text: string, room: number): string {
  if (pen.measureText(text).width <= room) return text;
  const letters = Math.floor(room / pen.measureText("n").width) - 1;
  return letters > 3 ? `${text.slice(0, letters)}…` : "";
}

/** Dashed lines, with their names where no other line crosses them; short ones where they are many. */
function drawMarks(pen: CanvasRenderingContext2D, plot: uPlot, marks: Mark[], below: number): void {
  const scale = devicePixelRatio;
  const { left, top, width } = plot.bbox;
  let free = -Infinity;
  const places = marks.map((mark) => plot.valToPos(mark.at, "x", true));
  for (const [at, mark] of marks.entries()) {
    const x = places[at];
    line(pen, plot, x, { ink: colour("--mark"), dash: [4 * scale, 3 * scale], long: marks.length <= MANY });
    pen.fillStyle = colour("--mark");
    const wide = pen.measureText(mark.text).width;
    const from = x + 4 * scale + wide > left + width ? x - 4 * scale - wide : x + 4 * scale;
    const next = places[at + 1] ?? Infinity;
    if (from < free || (from > x && from + wide > next)) continue;
    pen.fillText(mark.text, from, top + below + 8 * scale);
    free = from + wide + 6 * scale;
  }
}

function end(pen: CanvasRenderingContext2D, plot: uPlot, letter: string, { seconds, raised }: { seconds: number; raised: boolean }): void {
  const scale = devicePixelRatio;
  const { left, top, width, height } = plot.bbox;
  const x = plot.valToPos(seconds, "x", true);
  line(pen, plot, x, { ink: colour("--accent"), dash: [], long: true });
  const side = LETTER * scale;
  // A stands before its line and B behind it, unless the edge is there.
  const before = letter === "A" ? x - side > left : x + side > left + width;
  const from = before ? x - side : x;
  const below = top + height - (raised ? 2 : 1) * side;
  pen.fillStyle = colour("--accent");
  pen.fillRect(from, below, side, side);
  pen.fillStyle = colour("--on-accent");
  pen.fillText(letter, from + 4.5 * scale, below + side / 2 + scale / 2);
}

function line(pen: CanvasRenderingContext2D, plot: uPlot, x: number, { ink, dash, long }: { ink: string; dash: number[]; long: boolean }): void {
  const scale = devicePixelRatio;
  pen.strokeStyle = ink;
  pen.lineWidth = (dash.length ? 1 : 1.5) * scale;
  pen.setLineDash(dash);
  pen.beginPath();
  pen.moveTo(x, plot.bbox.top);
  pen.lineTo(x, plot.bbox.top + (long ? plot.bbox.height : SHORT * scale));
  pen.stroke();
  pen.setLineDash([]);
}
