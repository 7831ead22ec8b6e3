// All findings, and one of them with its evidence.

import { get, Problem, type Series } from "../api.ts";
import { SeriesChart } from "../charts/series.ts";
import { announce, debounce, h, replace } from "../dom.ts";
import { place } from "../diff/stack.ts";
import { bytes, count, fromNs, moment, plural } from "../format.ts";
import { isForEver, isMuted, mute, resolve, severityRank, storedFindings, unmute, type StoredFinding } from "../findings.ts";
import { href, keep, route } from "../state.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

const STATES = ["open", "muted", "resolved", "all"];

export function findings(): View {
  setPlace(["Findings", "#/findings"]);
  const body = h("div", {}, loading("Reading the findings…"));
  const stopper = new AbortController();
  const wanted = route().query.get("state") ?? "open";
  const state = h("select", { "aria-label": "State", onchange: () => (keep({ state: state.value }), void load()) }, ...STATES.map((name) => h("option", { value: name, selected: name === wanted }, name)));

  async function load(): Promise<void> {
    try {
      const found = await storedFindings({}, stopper.signal);
      if (!found) return replace(body, keepsNone());
      const shown = found.filter((finding) => state.value === "all" || stateOf(finding) === state.value);
      shown.sort((a, b) => severityRank(b.severity) - severityRank(a.severity) || b.course.last_ns - a.course.last_ns);
      if (!shown.length) {
        replace(body, empty(`No ${state.value === "all" ? "" : `${state.value} `}findings`, h("p", {}, "Nothing grows beyond the sampling error. A leak shows after some captures; a short look is a diff of two of them.")));
        return;
      }
      replace(body, h("p", { class: "note", role: "status" }, plural(shown.length, "finding")), h("ul", { class: "finding-list" }, ...shown.map(item)));
    } catch (error) {
      if (!stopper.signal.aborted) replace(body, trouble(error, () => void load()));
    }
  }

  void load();
  return { element: h("div", {}, h("div", { class: "toolbar" }, h("h1", {}, "Findings"), state), body), refresh: debounce(() => void load(), 500), stop: () => stopper.abort() };
}

function keepsNone(): HTMLElement {
  return empty("This daemon keeps no findings", h("p", {}, "Open a target and compare two of its captures: the diff begins with its findings."), h("a", { class: "button", href: "#/" }, "Targets"));
}

function item(finding: StoredFinding): HTMLElement {
  return h(
    "li",
    { class: "card" },
    h("span", { class: `chip severity-${finding.severity}` }, finding.severity),
    " ",
    h("a", { href: href(`findings/${finding.id}`) }, finding.document.title),
    h("p", { class: "sub" }, [finding.seen.service || finding.seen.address, finding.verdict, `since ${moment(fromNs(finding.course.since_ns))}`, stateOf(finding)].join(" · ")),
  );
}

function stateOf(finding: StoredFinding): string {
  if (finding.course.state === "resolved") return "resolved";
  return isMuted(finding) ? "muted" : "open";
}

/** One finding: what grew, how it grew, what to do, and what may be done about being told. */
export function finding(id: number): View {
  setPlace(["Findings", "#/findings"], [`#${id}`, ""]);
  const body = h("div", {}, loading("Reading the finding…"));
  const stopper = new AbortController();
  let chart: SeriesChart | null = null;

  async function load(): Promise<void> {
    try {
      const found = await get<StoredFinding>(`api/v1/findings/${id}`, {}, stopper.signal);
      show(found);
      void evidence(found);
    } catch (error) {
      if (stopper.signal.aborted) return;
      replace(body, trouble(error, error instanceof Problem && error.status === 404 ? undefined : () => void load()));
    }
  }

  function show(found: StoredFinding): void {
    const { document: told, course } = found;
    const name = found.seen.service || found.seen.address;
    setPlace([name, href(`targets/${found.target_id}`)], [`Finding ${id}`, ""]);
    replace(
      body,
      h(
        "div",
        { class: `card finding-page severity-${found.severity}` },
        h("p", {}, h("span", { class: `chip severity-${found.severity}` }, found.severity), " ", h("span", { class: "chip" }, `${found.verdict}, ${count(Math.floor(found.confidence * 100))} % sure`), " ", h("span", { class: "chip" }, stateOf(found))),
        h("h1", {}, told.title),
        ...told.detail.map((text) => h("p", {}, text)),
        told.at ? h("p", { class: "code-line" }, h("code", {}, told.at.function), " ", h("code", { class: "place", title: told.at.file }, place(told.at))) : null,
        told.advice ? h("p", { class: "advice" }, told.advice) : null,
        told.example ? h("pre", { tabindex: 0 }, told.example) : null,
        h("p", { class: "note" }, `First seen ${moment(fromNs(course.first_ns))}, last ${moment(fromNs(course.last_ns))}.`),
        actions(found),
      ),
      h("div", { id: "evidence" }),
      numbers(told.evidence),
    );
  }

  function actions(found: StoredFinding): HTMLElement {
    const said = h("span", { class: "note", role: "status" });
    const act = (text: string, work: () => Promise<void>) =>
      h("button", { onclick: () => void work().then(() => (announce(`${text}: done`), load())).catch((error: Error) => replace(said, error.message)) }, text);
    const muted = isMuted(found)
      ? [h("span", { class: "note" }, isForEver(found) ? "Muted." : `Muted until ${moment(fromNs(found.muted_until_ns!))}.`), act("Unmute", () => unmute(id))]
      : [act("Mute for a day", () => mute(id, "24h")), act("Mute", () => mute(id, ""))];
    return h("div", { class: "toolbar actions" }, ...muted, found.course.state === "resolved" ? null : act("Resolve", () => resolve(id)), h("a", { href: href(`targets/${found.target_id}`) }, "All captures"), said);
  }

  /** What the function's sites held since shortly before it was first seen. */
  async function evidence(found: StoredFinding): Promise<void> {
    const where = body.querySelector("#evidence")!;
    if (!found.function) return;
    const since = Math.round(found.course.first_ns / 1e6 - 3600e3) * 1e6;
    const series = await get<Series>(`api/v1/targets/${found.target_id}/series`, { in: found.function, since: new Date(since / 1e6).toISOString() }, stopper.signal).catch(() => null);
    const values = series?.columns.find((each) => each.name === "live_bytes")?.values;
    if (!series || !values?.length) return;
    chart?.stop();
    chart = new SeriesChart(
      {
        title: `Live memory under ${found.function}`,
        unit: "bytes",
        times: series.slot_ns.map((slot) => slot / 1e9),
        lines: [{ name: "live", colour: "--series-1", values }],
        marks: [{ at: found.course.first_ns / 1e9, text: "first seen" }],
      },
      (from, until) => {
        const nearest = (seconds: number) => series.snapshot_id[series.slot_ns.reduce((best, slot, at) => (Math.abs(slot / 1e9 - seconds) < Math.abs(series.slot_ns[best] / 1e9 - seconds) ? at : best), 0)];
        location.hash = href("diff", { a: nearest(from), b: nearest(until), search: found.function });
      },
      () => undefined,
    );
    where.replaceChildren(chart.element);
  }

  void load();
  return { element: body, stop: () => (stopper.abort(), chart?.stop()) };
}

function numbers(evidence: Record<string, string | number>): HTMLElement | null {
  const entries = Object.entries(evidence);
  if (!entries.length) return null;
  const write = (name: string, value: string | number) => (typeof value === "string" ? value : name.includes("bytes") ? bytes(value) + (name.endsWith("_s") ? "/s" : "") : value.toLocaleString(undefined, { maximumSignificantDigits: 4 }));
  return h("section", { class: "card" }, h("h2", {}, "Evidence"), h("dl", { class: "facts" }, ...entries.flatMap(([name, value]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, write(name, value))])));
}
