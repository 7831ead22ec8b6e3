// The two captures of a target that are to be compared: chosen in a chart, or from lists.

import type { Series } from "../api.ts";
import { column } from "../charts/course.ts";
import { h, replace } from "../dom.ts";
import { bytes, duration, fromNs, moment } from "../format.ts";
import { href } from "../state.ts";

const MOST_OPTIONS = 300; // of a list; a chart chooses among all

/** How far apart two captures are, by their places. */
export function apart(series: Series, a: number, b: number): string {
  const heap = column(series, "heap");
  const grown = heap[a] === null || heap[b] === null ? "" : `, heap ${bytes(heap[a])} to ${bytes(heap[b])}`;
  return `${duration((series.slot_ns[b] - series.slot_ns[a]) / 1e9)} apart${grown}`;
}

/** Fills the picker; `choose` is given the ids of both captures. */
export function fillPicker(place: HTMLElement, series: Series, [a, b]: [number, number], choose: (a: number, b: number) => void): void {
  const ids = series.snapshot_id;
  const held = place.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : null;
  replace(
    place,
    h("p", { class: "hint" }, "Drag over a chart to choose A and B; each snaps to a capture. A click moves the nearer one."),
    h(
      "div",
      { class: "ends" },
      end(series, "A", a, (snapshot) => choose(snapshot, ids[b])),
      end(series, "B", b, (snapshot) => choose(ids[a], snapshot)),
      h("p", { class: "between" }, a === b ? "One capture alone: choose another." : apart(series, a, b)),
      h("a", { class: a === b ? "button off" : "button", href: a === b ? null : href("diff", { a: ids[a], b: ids[b] }), "aria-disabled": String(a === b) }, "Compare A and B"),
    ),
  );
  if (held) place.querySelector<HTMLElement>(`[aria-label="${held}"]`)?.focus();
}

function end(series: Series, letter: string, at: number, choose: (snapshot: number) => void): HTMLElement {
  const heap = column(series, "heap");
  const step = Math.ceil(series.snapshot_id.length / MOST_OPTIONS);
  const places = series.snapshot_id.map((_, place) => place).filter((place) => place % step === 0 || place === at || place === series.snapshot_id.length - 1);
  const options = places.map((place) => h("option", { value: series.snapshot_id[place], selected: place === at }, `${moment(fromNs(series.slot_ns[place]))} · ${bytes(heap[place])}`));
  const select = h("select", { "aria-label": `Capture ${letter}`, onchange: () => choose(Number(select.value)) }, ...options);
  const snapshot = series.snapshot_id[at];
  const download = (form: string, text: string) => h("a", { href: `api/v1/snapshots/${snapshot}/${form}`, download: true, class: "download", "aria-label": `Download ${letter} as ${text}` }, text);
  return h("div", { class: "end" }, h("span", { class: "letter" }, letter), select, download("snap", ".snap"), download("pprof", "pprof"));
}
