// One finding: what grew, how it went, what to do, and what may be done about being told.

import { get, Problem, type Series } from "../api.ts";
import { SeriesChart } from "../charts/series.ts";
import { announce, h, paced, replace, type Child } from "../dom.ts";
import { command, place, pprofCommand } from "../diff/stack.ts";
import { bytes, count, duration, fromNs, moment, sentence } from "../format.ts";
import { endOf, isForEver, keptFinding, mute, resolve, unmute, verdictOf, type KeptFinding } from "../findings.ts";
import { href } from "../state.ts";
import { ifWritable } from "./permission.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

const MOST_LETTERS = 500; // of one parameter of the API
const MARGIN = 0.5; // of its time that is shown before and after it
const LEAST_NS = 120e9; // that are shown on either side
/** Metrics that show findings without a function; the heap shows the others. */
const METRICS: Record<string, string> = { "non-go-memory": "rss", stacks: "stacks", runtime: "sys", fragmentation: "sys", "idle-heap": "sys" };

export function finding(id: number): View {
  setPlace(["Findings", "#/findings"], [`#${id}`, ""]);
  const body = h("div", {}, loading("Reading the finding…"));
  const where = h("div", { class: "evidence" });
  const stopper = new AbortController();
  let chart: SeriesChart | null = null;
  let target = 0;
  let shown = "";

  async function load(): Promise<void> {
    try {
      const found = await keptFinding(id, stopper.signal);
      const said = JSON.stringify([found.state, found.document, found.muted_until_ns]);
      // Buttons that have the focus stay where only the course went on, and so does a token half entered.
      if (said === shown || document.activeElement?.closest("form")) return void evidence(found);
      shown = said;
      show(found);
    } catch (error) {
      if (stopper.signal.aborted) return;
      if (error instanceof Problem && error.status === 404) replace(body, gone(id));
      else replace(body, trouble(error, () => void load()));
    }
  }

  function show(found: KeptFinding): void {
    target = found.target_id;
    const name = found.seen.service || found.seen.address;
    setPlace([name, href(`targets/${found.target_id}`)], ["Findings", href("findings", { target: found.target_id })], [`#${id}`, ""]);
    replace(body, h("article", { class: `card finding-page severity-${found.severity}` }, ...said(found), actions(found)), where, compare(found), numbers(found.document.evidence ?? {}));
    void evidence(found);
  }

  function actions(found: KeptFinding): HTMLElement {
    const result = h("span", { class: "note", role: "status" });
    const act = (text: string, work: () => Promise<KeptFinding>) => {
      const run = async (): Promise<void> => {
        try {
          show(await work());
          announce(`${text}: done`);
          body.querySelector<HTMLElement>(".actions button")?.focus();
        } catch (error) {
          replace(result, error instanceof Problem ? `${error.detail} ${error.hint}` : String(error));
        }
      };
      return h("button", { onclick: () => void run() }, text);
    };
    const buttons = found.state === "muted" ? [act("Unmute", () => unmute(id))] : found.state === "resolved" ? [] : [act("Mute for a day", () => mute(id, 24)), act("Mute for a week", () => mute(id, 24 * 7)), act("Mute for good", () => mute(id, null))];
    if (found.state !== "resolved") buttons.push(act("Resolve", () => resolve(id)));
    if (!buttons.length) return h("div", {});
    return ifWritable([...buttons, result], "Muting and resolving", stopper.signal);
  }

  /** What its sites held, from before it was first seen until after it. */
  async function evidence(found: KeptFinding): Promise<void> {
    const margin = Math.max((endOf(found) - found.course.first_ns) * MARGIN, LEAST_NS);
    const time = (ns: number) => new Date(ns / 1e6).toISOString();
    const limits = { since: time(found.course.first_ns - margin), until: time(endOf(found) + margin) };
    const { query, title } = followed(found);
    try {
      const series = await get<Series>(`api/v1/targets/${found.target_id}/series`, { ...query, ...limits }, stopper.signal);
      draw(found, series, title);
    } catch (error) {
      if (stopper.signal.aborted || chart) return;
      // Captures may be gone by now, and with them all that knows the function's name.
      replace(where, h("p", { class: "note" }, error instanceof Problem ? `No chart: ${error.detail}` : String(error)));
    }
  }

  function draw(found: KeptFinding, series: Series, title: string): void {
    const [column] = series.columns;
    if (!series.slot_ns.length || !column) return replace(where, h("p", { class: "note" }, "The captures of this time are not kept any more."));
    const cited = new Set(found.snapshots);
    const restarts = series.process_id.flatMap((process, at) => (at && process !== series.process_id[at - 1] ? [at] : []));
    const input = {
      title,
      unit: column.unit === "bytes" ? ("bytes" as const) : ("count" as const),
      times: series.slot_ns.map((slot) => slot / 1e9),
      lines: [{ name: column.unit === "bytes" ? "live" : column.unit, colour: "--series-1", values: column.values }],
      marks: restarts.map((at) => ({ at: series.slot_ns[at] / 1e9, text: "restart" })),
      breaks: restarts,
      bands: [{ from: found.course.since_ns / 1e9, until: endOf(found) / 1e9, text: found.state === "resolved" ? "seen until resolved" : "seen since", colour: `--${found.severity}-ink` }],
    };
    const ends = series.snapshot_id.flatMap((snapshot, at) => (cited.has(snapshot) ? [series.slot_ns[at] / 1e9] : []));
    const nearest = (seconds: number) => series.snapshot_id[series.slot_ns.reduce((best, slot, at) => (Math.abs(slot / 1e9 - seconds) < Math.abs(series.slot_ns[best] / 1e9 - seconds) ? at : best), 0)];
    if (chart) chart.update(input);
    else {
      chart = new SeriesChart(input, (from, until) => (location.hash = href("diff", { a: nearest(from), b: nearest(until), search: found.function })), () => undefined);
      replace(where, chart.element, h("p", { class: "note" }, "A to B: the captures that it rests on. Drag over the chart to compare two others."));
    }
    if (ends.length) chart.pick({ a: ends[0], b: ends[ends.length - 1], shaded: false });
  }

  const refresh = paced(load, 1000);
  void load();
  return { element: body, refresh: (of) => (of === null || of === target) && refresh(), stop: () => (stopper.abort(), chart?.stop()) };
}

function gone(id: number): HTMLElement {
  return empty(`There is no finding ${id}`, h("p", {}, "It may have gone with its captures, or the link is of another daemon."), h("a", { class: "button", href: "#/findings?state=all" }, "All findings"));
}

function said(found: KeptFinding): Child[] {
  const { document: told, course } = found;
  const sites = (told.sites ?? []).slice(0, 5);
  return [
    h("p", { class: "chips" }, h("span", { class: `chip severity-${found.severity}` }, found.severity), h("span", { class: "chip" }, verdictOf(found)), h("span", { class: "chip" }, found.state)),
    h("h1", {}, told.title),
    ...(told.detail ?? []).map((text) => h("p", {}, sentence(text))),
    told.at ? h("p", { class: "code-line" }, h("code", {}, told.at.function), " ", h("code", { class: "place", title: told.at.file }, place(told.at))) : null,
    sites.length > 1 || sites[0]?.type ? h("ul", { class: "sites" }, ...sites.map((site) => h("li", {}, site.type ? h("code", {}, site.type) : "objects of unknown type", " in ", h("code", {}, site.function), ` ${place(site)}: ${bytes(site.bytes)}`))) : null,
    told.advice ? h("p", { class: "advice" }, told.advice) : null,
    told.example ? h("pre", { tabindex: 0, "aria-label": "Example" }, told.example) : null,
    h("p", { class: "note" }, [`First seen ${moment(fromNs(course.first_ns))}`, course.since_ns !== course.first_ns ? `back since ${moment(fromNs(course.since_ns))}` : "", `last seen ${moment(fromNs(course.last_ns))}`, found.since_build ? `first in build ${found.since_build.slice(0, 12)}` : "", mutedOf(found), resolvedOf(found)].filter(Boolean).join(" · ")),
  ];
}

function mutedOf(found: KeptFinding): string {
  if (found.state !== "muted") return "";
  const by = found.muted_by ? ` by ${found.muted_by}` : "";
  return isForEver(found) ? `muted${by} until somebody ends it` : `muted${by} until ${moment(fromNs(found.muted_until_ns!))}`;
}

function resolvedOf({ state, course }: KeptFinding): string {
  if (state !== "resolved" || !course.resolved_ns) return "";
  return `resolved ${moment(fromNs(course.resolved_ns))}${course.resolved_by ? ` by ${course.resolved_by}` : ", as later captures do not show it"}`;
}

/** What shows the finding over time: its functions, else the metric that its kind is about. */
function followed(found: KeptFinding): { query: Record<string, string>; title: string } {
  const names = [...new Set((found.document.sites ?? []).map((site) => site.function).filter(Boolean))];
  if (!names.length && found.function) names.push(found.function);
  if (!names.length) {
    const metric = METRICS[found.kind] ?? (found.kind.includes("goroutine") ? "goroutines" : "heap");
    return { query: { metric }, title: metric === "rss" ? "RSS" : metric === "heap" ? "Heap after GC" : metric[0].toUpperCase() + metric.slice(1) };
  }
  const quoted = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  let pattern = `^${quoted[0]}$`;
  for (const each of quoted.slice(1)) {
    const longer = `${pattern}|^${each}$`;
    if (longer.length + 3 <= MOST_LETTERS) pattern = longer;
  }
  return { query: { in: `re:${pattern}` }, title: `Live heap under ${names[0]}${names.length > 1 ? ` and ${count(names.length - 1)} more` : ""}` };
}

/** How to look at it further: the diff of its captures, and pprof on them. */
function compare(found: KeptFinding): Child {
  const [a, b] = [found.snapshots[0], found.snapshots[found.snapshots.length - 1]];
  if (a === undefined || a === b) return null;
  const at = (snapshot: number) => `${new URL("api/v1/snapshots/", document.baseURI).href}${snapshot}/pprof`;
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Its captures"),
    h("p", {}, h("a", { class: "button", href: href("diff", { a, b, search: found.function }) }, "Compare A and B"), " ", h("a", { class: "beside", href: href(`targets/${found.target_id}`, { a, b }) }, "All captures of the target")),
    h("h3", {}, "In a terminal"),
    command(pprofCommand({ before: at(a), after: at(b) }, found.function)),
  );
}

function numbers(evidence: Record<string, unknown>): Child {
  const entries = Object.entries(evidence).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  if (!entries.length) return null;
  return h("section", { class: "card" }, h("h2", {}, "Evidence"), h("dl", { class: "facts" }, ...entries.flatMap(([name, value]) => [h("dt", {}, named(name)), h("dd", {}, written(name, value as string | number | boolean))])));
}

function named(name: string): string {
  const text = name.replace(/_(bytes|per_s)\b/g, "").replaceAll("_", " ");
  return text === "seconds" ? "time" : text === "p value" ? "p-value" : text;
}

function written(name: string, value: string | number | boolean): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (name === "seconds" || name.endsWith("_seconds")) return duration(value);
  if (name.includes("bytes")) return bytes(value) + (name.endsWith("_s") ? "/s" : "");
  if (name.endsWith("share")) return value.toLocaleString(undefined, { style: "percent", maximumFractionDigits: 1 });
  if (value !== 0 && Math.abs(value) < 1e-4) return value < 1e-12 ? "below 10⁻¹²" : value.toExponential(1);
  return value.toLocaleString(undefined, { maximumSignificantDigits: 4 });
}
