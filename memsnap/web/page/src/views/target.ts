// One target over time: choose two of its captures and see what changed between them.

import { get, post, Problem, type Failure, type Page, type Series, type Target, type Timeline } from "../api.ts";
import { inputs, METRICS } from "../charts/course.ts";
import { SeriesChart } from "../charts/series.ts";
import { announce, h, paced, renew, replace } from "../dom.ts";
import { ago, fromNs, moment } from "../format.ts";
import { command } from "../diff/stack.ts";
import { severityRank } from "../findings.ts";
import { href, keep, route } from "../state.ts";
import { Layers } from "./layers.ts";
import { ifWritable } from "./permission.ts";
import { apart, fillPicker } from "./picker.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

const SPANS = ["15m", "1h", "6h", "24h", "7d", "30d"];
const MOST_NOTES = 3; // findings that are named above the charts

export function target(id: number): View {
  const query = route().query;
  const state = {
    span: SPANS.includes(query.get("span") ?? "") ? query.get("span")! : "24h",
    a: number(query.get("a")),
    b: number(query.get("b")),
  };
  const charts: SeriesChart[] = [];
  const title = h("h1", {}, `Target ${id}`);
  const labels = h("span", { class: "labels" });
  const body = h("div", { class: "charts" }, loading("Reading its captures…"));
  const picker = h("section", { class: "card picker", "aria-label": "Captures to compare", hidden: true });
  const notes = h("div", { class: "notes" });
  const terminal = h("div", {});
  const stopper = new AbortController();
  const layers = new Layers(id, { brushed, clicked }, stopper.signal);
  layers.element.hidden = true;
  const said = h("span", { class: "note", role: "status" });
  let series: Series | null = null;
  const element = h(
    "div",
    { class: "target" },
    h(
      "div",
      { class: "toolbar" },
      title,
      labels,
      h("span", { class: "spring" }),
      said,
      ifWritable([h("button", { onclick: () => void captureNow() }, "Capture now")], "Capturing now", stopper.signal),
      h("select", { "aria-label": "Time span", onchange: (event: Event) => ((state.span = (event.target as HTMLSelectElement).value), keep({ span: state.span }), void load()) }, ...SPANS.map((span) => h("option", { value: span, selected: span === state.span }, `last ${span}`))),
    ),
    notes,
    picker,
    body,
    layers.element,
    terminal,
  );

  async function load(): Promise<void> {
    const since = `-${state.span}`;
    const ask = <T>(what: string, parameters = {}) => get<T>(`api/v1/targets/${id}${what}`, parameters, stopper.signal);
    try {
      const [record, found, timeline, failures] = await Promise.all([
        ask<Target>(""),
        ask<Series>("/series", { metric: METRICS, since }),
        ask<Timeline>("/timeline", { since }),
        ask<Page<Failure>>("/failures", { limit: 1 }),
      ]);
      series = found;
      name(record);
      tell(record, timeline, failures.items[0] ?? null);
      picker.hidden = layers.element.hidden = !found.slot_ns.length;
      if (!found.slot_ns.length) return replace(body, none(record));
      draw(found, timeline);
      pick();
      void layers.load(since, timeline);
    } catch (error) {
      if (stopper.signal.aborted) return;
      if (charts.length) replace(said, error instanceof Problem ? `${error.detail} ${error.hint}` : String(error));
      else replace(body, error instanceof Problem && error.status === 404 ? unknown(id) : trouble(error, () => void load()));
    }
  }

  async function captureNow(): Promise<void> {
    replace(said, "Capturing…");
    try {
      const answer = await post(`api/v1/targets/${id}/captures`);
      replace(said, answer.status === 202 ? "Captured; it waits for the store." : "Captured.");
      await load();
    } catch (error) {
      replace(said, error instanceof Problem ? `${error.detail} ${error.hint}` : String(error));
    }
  }

  function name({ seen }: Target): void {
    const text = seen.service || seen.address;
    title.textContent = text;
    setPlace([text, href(`targets/${id}`)]);
    replace(labels, seen.service ? h("span", { class: "sub" }, seen.address) : null, ...seen.labels.map(([key, value]) => h("a", { class: "chip", href: href("", { label: `${key}=${value}` }), title: "All targets with this label" }, `${key}=${value}`)));
  }

  /** What is wrong now: captures that fail, and the worst of its findings. */
  function tell(record: Target, timeline: Timeline, last: Failure | null): void {
    const open = timeline.findings.filter(({ state }) => state === "new" || state === "open").sort((a, b) => severityRank(b.severity) - severityRank(a.severity));
    renew(
      notes,
      record.last_failure ? h("p", { class: "banner warn" }, h("strong", {}, "Captures fail: "), record.last_failure, last ? ` (${ago(fromNs(last.at_ns), Date.now())})` : "") : null,
      ...open.slice(0, MOST_NOTES).map((finding) => h("p", { class: "banner" }, h("span", { class: `chip severity-${finding.severity}` }, finding.severity), " ", h("a", { href: href(`findings/${finding.id}`) }, finding.title))),
      open.length > MOST_NOTES ? h("p", { class: "banner" }, h("a", { href: href("findings", { target: id }) }, `All ${open.length} findings of this target`)) : null,
    );
  }

  function draw(found: Series, timeline: Timeline): void {
    const wanted = inputs(found, timeline);
    if (charts.length) return wanted.forEach((input, at) => charts[at].update(input));
    charts.push(...wanted.map((input) => new SeriesChart(input, brushed, clicked)));
    replace(body, ...charts.map((chart) => chart.element));
  }

  function nearest(seconds: number): number {
    const slots = series!.slot_ns;
    let best = 0;
    slots.forEach((slot, at) => {
      if (Math.abs(slot / 1e9 - seconds) < Math.abs(slots[best] / 1e9 - seconds)) best = at;
    });
    return best;
  }

  function brushed(from: number, until: number): void {
    const [a, b] = [nearest(from), nearest(until)];
    choose(series!.snapshot_id[a], series!.snapshot_id[b]);
  }

  /** A click moves the nearer end. */
  function clicked(seconds: number): void {
    const at = nearest(seconds);
    const snapshot = series!.snapshot_id[at];
    const [a, b] = [place(state.a), place(state.b)];
    if (a < 0 || b < 0) choose(snapshot, series!.snapshot_id[series!.snapshot_id.length - 1]);
    else if (Math.abs(at - a) <= Math.abs(at - b)) choose(snapshot, state.b!);
    else choose(state.a!, snapshot);
  }

  function place(snapshot: number | null): number {
    return snapshot === null ? -1 : series!.snapshot_id.indexOf(snapshot);
  }

  function choose(a: number, b: number): void {
    [state.a, state.b] = place(a) <= place(b) ? [a, b] : [b, a];
    keep({ a: state.a, b: state.b });
    pick();
    announce(apart(series!, place(state.a), place(state.b)));
  }

  /** Shows A and B; the whole life of the present process where none are chosen. */
  function pick(): void {
    const found = series!;
    const last = found.snapshot_id.length - 1;
    let [a, b] = [place(state.a), place(state.b)];
    const chosen = a >= 0 && b >= 0;
    if (!chosen) [a, b] = [found.process_id.indexOf(found.process_id[last]), last];
    const [first, second] = [found.snapshot_id[a], found.snapshot_id[b]];
    const picked = { a: found.slot_ns[a] / 1e9, b: found.slot_ns[b] / 1e9, shaded: chosen };
    for (const chart of charts) chart.pick(picked);
    layers.pick(picked, { a: first, b: second });
    fillPicker(picker, found, [a, b], choose);
    replace(terminal, a === b ? null : h("section", { class: "card" }, h("h2", {}, "In a terminal"), command(`memsnap diff --server ${location.origin} store:${first} store:${second}`)));
  }

  function none(record: Target): HTMLElement {
    const when = record.last_slot_ns === null ? "This target has none at all yet: the daemon tries again at every interval." : `Its last capture is from ${moment(fromNs(record.last_slot_ns))}: choose a longer span.`;
    return empty(`No capture in the last ${state.span}`, h("p", {}, when));
  }

  const refresh = paced(load, 500);
  void load();
  return {
    element,
    refresh: (of) => (of === null || of === id) && refresh(),
    stop: () => {
      stopper.abort();
      for (const chart of charts) chart.stop();
      layers.stop();
    },
  };
}

function unknown(id: number): HTMLElement {
  return empty(`There is no target ${id}`, h("p", {}, "The link may be of another daemon, or of a store that is gone."), h("a", { class: "button", href: "#/" }, "All targets"));
}

function number(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}
