// All targets at a glance: how their heaps go, and which one to look at first.

import { overview as allCourses, targets } from "../api.ts";
import { debounce, h, paced, replace } from "../dom.ts";
import { count, plural } from "../format.ts";
import { findingsByTarget } from "../findings.ts";
import { keep, route } from "../state.ts";
import { by, COLUMNS, FleetTable, line, type Key, type Line } from "./fleet.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

const SPANS = ["1h", "6h", "24h", "7d"];
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
  const table = new FleetTable({
    sorted: (key) => change(key === state.sort ? { up: !state.up } : { sort: key, up: false }),
    labelled: (label) => (change({ label }), labels()),
  });
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
    table.show(shown.sort(by(state)), state, axis);
    if (!table.element.isConnected) replace(body, table.element);
  }

  void load();
  const timer = window.setInterval(() => !document.hidden && draw(), 15_000);
  return { element, refresh: paced(load, 1000), stop: () => (clearInterval(timer), stopper.abort()) };
}
