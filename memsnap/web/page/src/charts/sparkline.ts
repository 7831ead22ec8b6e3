// A small line beside a name; the number beside it says what it ends at.

import { svg } from "../dom.ts";

const [WIDE, HIGH] = [132, 30];

/** A line over time; gaps where a value is null. Drawn from zero, so that lines can be compared. */
export function sparkline(times: number[], values: (number | null)[], from: number, until: number): SVGElement {
  const most = values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0) || 1;
  const x = (at: number) => ((at - from) / Math.max(until - from, 1)) * (WIDE - 4) + 2;
  const y = (value: number) => HIGH - 2 - (value / most) * (HIGH - 5);
  const parts: string[] = [];
  let pen = "M";
  let last: [number, number] | null = null;
  times.forEach((time, at) => {
    const value = values[at];
    if (value === null || value === undefined) {
      pen = "M";
      return;
    }
    last = [x(time), y(value)];
    parts.push(`${pen}${last[0].toFixed(1)} ${last[1].toFixed(1)}`);
    pen = "L";
  });
  const line = parts.join("");
  const begin = times.find((_, at) => values[at] !== null);
  const [end] = last ?? [0];
  return svg(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${WIDE} ${HIGH}`, width: WIDE, height: HIGH, "aria-hidden": "true" },
    line ? svg("path", { class: "area", d: `${line.replace(/(?<=.)M/g, "L")}L${end} ${HIGH}L${x(begin ?? from)} ${HIGH}Z` }) : null,
    line ? svg("path", { class: "line", d: line }) : null,
    last ? svg("circle", { class: "dot", cx: last[0], cy: last[1], r: 2.2 }) : null,
  );
}
