// All targets at a glance: how their heaps go, and which one to look at first.

import { overview as allCourses, targets, type Course, type Target } from "../api.ts";
import { sparkline } from "../charts/sparkline.ts";
import { debounce, h, hidden, paced, renew, replace } from "../dom.ts";
import { ago, bytes, count, fromNs, plural, rate } from "../format.ts";
import { href, keep, route } from "../state.ts";
import { findingsByTarget, severityRank, worst, type KeptFinding } from "../findings.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

const SPANS = ["1h", "6h", "24h", "7d"];
type Key = "name" | "heap" | "rss" | "rate" | "finding" | "age";
const COLUMNS: [Key, string][] = [
  ["name", "Target"],
  ["heap", "Heap after GC"],
  ["rss", "RSS"],
  ["rate", "Growth"],
  ["finding", "Worst finding"],
  ["age", "Last capture"],
];

interface Line {
  target: Target;
  course: Course | null;
  heap: number | null;
  rss: number | null;
  slope: number | null;
  finding: KeptFinding | null;
  captured: number | null;
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

export function overview(): View {
  setPlace();
  const query = route().query;
  const state = {
    span: SPANS.includes(query.get("span") ?? "") ? query.get("span")! : "24h",
    words: query.get("search") ?? "",
    label: query.get("label") ?? "",
    sort: (COLUMNS.find(([key]) => key === query.get("sort"))?.[0] ?? "rate") as Key,
    up: query.get("order") === "up",
  };
  const body = h("div", {}, loading("Reading the targets…"));
  const told = h("p", { class: "note", role: "status" });
  const labelSelect = h("select", { "aria-label": "Label", onchange: () => change({ label: labelSelect.value }) });
  const sortSelect = h("select", { "aria-label": "Sort by", class: "narrow-only", onchange: () => change({ sort: sortSelect.value as Key, up: false }) }, ...COLUMNS.map(([key, text]) => h("option", { value: key, selected: key === state.sort }, text)));
  const element = h(
    "div",
    { class: "overview" },
    h(
      "div",
      { class: "toolbar" },
      h("h1", {}, "Targets"),
      h("input", { type: "search", value: state.words, placeholder: "Search", "aria-label": "Search targets", oninput: debounce((event: Event) => change({ words: (event.target as HTMLInputElement).value }), 80) }),
      labelSelect,
      sortSelect,
      h("select", { "aria-label": "Time span", onchange: (event: Event) => (change({ span: (event.target as HTMLSelectElement).value }), void load()) }, ...SPANS.map((span) => h("option", { value: span, selected: span === state.span }, `last ${span}`))),
    ),
    told,
    body,
  );
  let lines: Line[] = [];
  let axis: [number, number] = [0, 1];
  const stopper = new AbortController();

  function change(changes: Partial<typeof state>): void {
    Object.assign(state, changes);
    keep({ span: state.span === "24h" ? null : state.span, search: state.words, label: state.label, sort: state.sort === "rate" ? null : state.sort, order: state.up ? "up" : null });
    draw();
  }

  async function load(): Promise<void> {
    try {
      const [known, found, byTarget] = await Promise.all([
        targets(stopper.signal),
        allCourses(state.span, stopper.signal),
        findingsByTarget(stopper.signal),
      ]);
      const courses = new Map(found.courses.map((course) => [course.target_id, course]));
      axis = [found.since_ns, found.until_ns];
      lines = known.map((target) => line(target, courses.get(target.id) ?? null, byTarget.get(target.id) ?? []));
      labels();
      draw();
    } catch (error) {
      if (!stopper.signal.aborted) replace(body, trouble(error, () => void load()));
    }
  }

  function labels(): void {
    const all = new Set(lines.flatMap(({ target }) => target.seen.labels.map(([name, value]) => `${name}=${value}`)));
    if (state.label) all.add(state.label);
    replace(labelSelect, h("option", { value: "" }, "all labels"), ...[...all].sort().map((text) => h("option", { value: text, selected: text === state.label }, text)));
  }

  function draw(): void {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = lines.filter(({ target: { seen } }) => {
      const labels = seen.labels.map(([name, value]) => `${name}=${value}`);
      const text = [seen.service, seen.key, seen.address, ...labels].join(" ").toLowerCase();
      return words.every((word) => text.includes(word)) && (!state.label || labels.includes(state.label));
    });
    told.textContent = shown.length === lines.length ? plural(lines.length, "target") : `${count(shown.length)} of ${plural(lines.length, "target")}`;
    if (!lines.length) {
      replace(body, empty("No targets yet", h("p", {}, "The daemon has found nothing to visit. Name a target on its command line or in its configuration:"), h("pre", { tabindex: 0 }, "memsnap serve --target http://localhost:6060")));
      return;
    }
    if (!shown.length) {
      replace(body, empty("No target matches", h("p", {}, "Search for a part of a service, address or label."), h("button", { onclick: () => location.assign("#/") }, "Show all")));
      return;
    }
    renew(body, table(shown.sort(by(state.sort, state.up))));
  }

  function table(shown: Line[]): HTMLElement {
    const header = ([key, text]: [Key, string]) => {
      const chosen = state.sort === key;
      const order = chosen ? (state.up ? "ascending" : "descending") : "none";
      return h(
        "th",
        { scope: "col", "aria-sort": order, class: `col-${key}` },
        h("button", { class: "sort", onclick: () => change(chosen ? { up: !state.up } : { sort: key, up: false }) }, text, h("span", { class: `arrow ${order}`, "aria-hidden": "true" })),
      );
    };
    const now = Date.now();
    return h("table", { class: "targets" }, h("thead", {}, h("tr", {}, ...COLUMNS.map(header))), h("tbody", {}, ...shown.map((each) => row(each, now))));
  }

  function row({ target, course, heap, rss, slope: speed, finding, captured }: Line, now: number): HTMLElement {
    const { seen } = target;
    return h(
      "tr",
      {},
      h(
        "td",
        { class: "col-name" },
        h("a", { class: "service", href: href(`targets/${target.id}`) }, seen.service || seen.address),
        h("span", { class: "sub" }, seen.service ? seen.address : ""),
        h("span", { class: "labels" }, ...seen.labels.map(([name, value]) => h("button", { class: "chip label", title: `Only ${name}=${value}`, onclick: () => (change({ label: `${name}=${value}` }), labels()) }, `${name}=${value}`))),
      ),
      h("td", { class: "col-heap" }, h("span", { class: "heap" }, sparkline(course?.slot_ns ?? [], course?.heap_alloc ?? [], ...axis), h("span", { class: "figure" }, bytes(heap)))),
      h("td", { class: "col-rss" }, h("span", { class: "unit-label" }, "RSS "), bytes(rss)),
      h("td", { class: "col-rate" }, h("span", { class: isNotable(speed, heap) ? "up" : "" }, speed === null ? "unknown" : rate(speed))),
      h("td", { class: "col-finding" }, finding ? h("a", { class: "worst", href: href(`findings/${finding.id}`), title: finding.document.title }, h("span", { class: `chip severity-${finding.severity}` }, finding.severity), " ", h("span", { class: "worst-title" }, finding.document.title)) : h("span", { class: "none" }, hidden("none"), "–")),
      h(
        "td",
        { class: "col-age" },
        h("span", { class: "age" }, captured === null ? "never" : ago(captured, now)),
        target.last_failure ? h("span", { class: "failing", title: target.last_failure }, "failing: ", target.last_failure) : null,
      ),
    );
  }

  void load();
  const timer = window.setInterval(() => !document.hidden && draw(), 15_000);
  return { element, refresh: paced(load, 1000), stop: () => (clearInterval(timer), stopper.abort()) };
}

/** Whether the heap would grow by a tenth within an hour: what the eye should fall on. */
function isNotable(speed: number | null, heap: number | null): boolean {
  return speed !== null && heap !== null && speed * 3600 > 0.1 * heap;
}

function line(target: Target, course: Course | null, findings: KeptFinding[]): Line {
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

function by(key: Key, up: boolean): (a: Line, b: Line) => number {
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
