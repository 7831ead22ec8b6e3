// The table of all targets: a row each, made anew only where its target has news.

import type { Course, Target } from "../api.ts";
import { sparkline } from "../charts/sparkline.ts";
import { h, hidden, renew } from "../dom.ts";
import { ago, bytes, fromNs, rate } from "../format.ts";
import { severityRank, worst, type KeptFinding } from "../findings.ts";
import { href } from "../state.ts";

export type Key = "name" | "heap" | "rss" | "rate" | "finding" | "age";
export const COLUMNS: [Key, string][] = [
  ["name", "Target"],
  ["heap", "Heap after GC"],
  ["rss", "RSS"],
  ["rate", "Growth"],
  ["finding", "Worst finding"],
  ["age", "Last capture"],
];
const AT_ONCE = 60; // rows that are made before the first drawing; the others follow frame by frame
const STEP = 1 / 130; // of the axis of time, a pixel of a sparkline: less is no news

export interface Line {
  target: Target;
  course: Course | null;
  heap: number | null;
  rss: number | null;
  slope: number | null;
  finding: KeptFinding | null;
  captured: number | null;
}

export interface Order {
  sort: Key;
  up: boolean;
}

/**
 * Bytes per second over the later half of the captures of the present process, by least squares:
 * a heap that has levelled off does not grow. Null for fewer than three captures.
 */
export function slope(course: Course): number | null {
  const process = course.process_id[course.process_id.length - 1];
  const life: [number, number][] = [];
  course.slot_ns.forEach((slot, at) => {
    const heap = course.heap_alloc[at];
    if (course.process_id[at] === process && heap !== null) life.push([slot / 1e9, heap]);
  });
  if (life.length < 3) return null;
  const middle = (life[0][0] + life[life.length - 1][0]) / 2;
  const later = life.filter(([time]) => time >= middle);
  const points = later.length < 3 ? life.slice(-3) : later;
  const mean = (pick: 0 | 1) => points.reduce((sum, point) => sum + point[pick], 0) / points.length;
  const [t, y] = [mean(0), mean(1)];
  const spread = points.reduce((sum, point) => sum + (point[0] - t) ** 2, 0);
  return spread ? points.reduce((sum, point) => sum + (point[0] - t) * (point[1] - y), 0) / spread : null;
}

export function line(target: Target, course: Course | null, findings: KeptFinding[]): Line {
  const last = <T>(values: T[] | undefined) => (values?.length ? values[values.length - 1] : null);
  return {
    target,
    course,
    heap: last(course?.heap_alloc),
    rss: last(course?.rss),
    slope: course ? slope(course) : null,
    finding: worst(findings),
    captured: target.last_slot_ns === null ? null : fromNs(target.last_slot_ns),
  };
}

export function by({ sort: key, up }: Order): (a: Line, b: Line) => number {
  const name = (line: Line) => line.target.seen.service || line.target.seen.address;
  const value = (line: Line): number => {
    switch (key) {
      case "heap":
        return line.heap ?? -1;
      case "rss":
        return line.rss ?? -1;
      case "rate":
        return line.slope ?? -Infinity;
      case "finding":
        return line.finding ? severityRank(line.finding.severity) : -1;
      case "age":
        return line.captured ?? -1;
      case "name":
        return 0;
    }
  };
  const names = (a: Line, b: Line) => name(a).localeCompare(name(b));
  const sign = up ? 1 : -1;
  if (key === "name") return (a, b) => -sign * names(a, b);
  return (a, b) => {
    const [x, y] = [value(a), value(b)];
    return x === y ? names(a, b) : sign * (x < y ? -1 : 1);
  };
}

export interface FleetEvents {
  sorted(key: Key): void;
  labelled(label: string): void;
}

/** A row's elements, and what they were made of. */
interface Row {
  element: HTMLElement;
  age: HTMLElement;
  made: string;
}

export class FleetTable {
  readonly element: HTMLElement;
  private readonly head = h("tr", {});
  private readonly body = h("tbody", {});
  private rows = new Map<number, Row>();
  private axis: [number, number] = [0, 1];
  private frame = 0;

  constructor(private readonly events: FleetEvents) {
    this.element = h("table", { class: "targets" }, h("thead", {}, this.head), this.body);
  }

  /** Shows targets in this order; `axis` is the time that their sparklines span, nanoseconds. */
  show(lines: Line[], order: Order, axis: [number, number]): void {
    const step = (this.axis[1] - this.axis[0]) * STEP;
    if (axis.some((end, at) => Math.abs(end - this.axis[at]) > step)) this.axis = axis;
    renew(this.head, ...COLUMNS.map(([key, text]) => this.header(key, text, order)));
    cancelAnimationFrame(this.frame);
    const wanted = lines.map((line) => line.target.id);
    const shown = Array.from(this.body.children, (row) => Number((row as HTMLElement).dataset.target));
    const same = wanted.length === shown.length && wanted.every((id, at) => id === shown[at]);
    if (same) this.refresh(lines);
    else this.fill(lines);
  }

  /** Puts rows with news in the place of those there are. */
  private refresh(lines: Line[]): void {
    const now = Date.now();
    const held = this.body.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null;
    for (const line of lines) {
      const old = this.rows.get(line.target.id)!.element;
      const { element } = this.row(line, now);
      if (element === old) continue;
      old.replaceWith(element);
      if (held && old.contains(held)) element.querySelector<HTMLElement>(held.tagName)?.focus({ preventScroll: true });
    }
  }

  private fill(lines: Line[]): void {
    const now = Date.now();
    const more = (from: number) => {
      this.body.append(...lines.slice(from, from + AT_ONCE).map((line) => this.row(line, now).element));
      if (from + AT_ONCE < lines.length) this.frame = requestAnimationFrame(() => more(from + AT_ONCE));
    };
    const known = new Set(lines.map((line) => line.target.id));
    for (const id of this.rows.keys()) if (!known.has(id)) this.rows.delete(id);
    renew(this.body, ...lines.slice(0, AT_ONCE).map((line) => this.row(line, now).element));
    if (lines.length > AT_ONCE) this.frame = requestAnimationFrame(() => more(AT_ONCE));
  }

  private row(line: Line, now: number): Row {
    const { target, finding, captured } = line;
    const made = [target.last_slot_ns, target.last_failure, target.seen.labels, finding?.id, finding?.document.title, line.course?.slot_ns.length, ...this.axis].join("|");
    let row = this.rows.get(target.id);
    if (row?.made !== made) {
      row = { ...this.make(line), made };
      this.rows.set(target.id, row);
    }
    row.age.textContent = captured === null ? "never" : ago(captured, now);
    return row;
  }

  private header(key: Key, text: string, { sort, up }: Order): HTMLElement {
    const order = sort === key ? (up ? "ascending" : "descending") : "none";
    const button = h("button", { class: "sort", onclick: () => this.events.sorted(key) }, text, h("span", { class: `arrow ${order}`, "aria-hidden": "true" }));
    return h("th", { scope: "col", "aria-sort": order, class: `col-${key}` }, button);
  }

  private make({ target, course, heap, rss, slope: speed, finding }: Line): { element: HTMLElement; age: HTMLElement } {
    const { seen } = target;
    const age = h("span", { class: "age" });
    const labels = seen.labels.map(([name, value]) => `${name}=${value}`);
    const cell = (key: Key, ...children: Parameters<typeof h>[2][]) => h("td", { class: `col-${key}` }, ...children);
    const element = h(
      "tr",
      { "data-target": target.id },
      cell(
        "name",
        h("a", { class: "service", href: href(`targets/${target.id}`) }, seen.service || seen.address),
        h("span", { class: "sub" }, seen.service ? seen.address : ""),
        h("span", { class: "labels" }, ...labels.map((label) => h("button", { class: "chip label", title: `Only ${label}`, onclick: () => this.events.labelled(label) }, label))),
      ),
      cell("heap", h("span", { class: "heap" }, sparkline(course?.slot_ns ?? [], course?.heap_alloc ?? [], ...this.axis), h("span", { class: "figure" }, bytes(heap)))),
      cell("rss", h("span", { class: "unit-label" }, "RSS "), bytes(rss)),
      cell("rate", h("span", { class: isNotable(speed, heap) ? "up" : "" }, rate(speed))),
      cell("finding", finding ? worstOf(finding) : h("span", { class: "none" }, hidden("none"), "–")),
      cell("age", age, target.last_failure ? h("span", { class: "failing", title: target.last_failure }, "failing: ", target.last_failure) : null),
    );
    return { element, age };
  }
}

function worstOf({ id, severity, document: { title } }: KeptFinding): HTMLElement {
  return h("a", { class: "worst", href: href(`findings/${id}`), title }, h("span", { class: `chip severity-${severity}` }, severity), " ", h("span", { class: "worst-title" }, title));
}

/** Whether the heap would grow by a tenth within an hour: what the eye should fall on. */
function isNotable(speed: number | null, heap: number | null): boolean {
  return speed !== null && heap !== null && speed * 3600 > 0.1 * heap;
}
