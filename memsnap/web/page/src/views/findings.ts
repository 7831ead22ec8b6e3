// All findings of the daemon, to be narrowed by state, verdict, target and function.

import { targets, type Target } from "../api.ts";
import { debounce, h, paced, renew, replace } from "../dom.ts";
import { ago, fromNs, plural } from "../format.ts";
import { keptFindings, severityRank, verdictOf, type FindingState, type KeptFinding } from "../findings.ts";
import { href, keep, route } from "../state.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

const STATES: Record<string, FindingState[]> = { open: ["new", "open"], muted: ["muted"], resolved: ["resolved"], all: [] };
const VERDICTS = ["leak", "cache", "load", "churn", "one-time growth", "steady", "unknown"];

export function findings(): View {
  setPlace(["Findings", "#/findings"]);
  const { query } = route();
  const wanted = { state: query.get("state") ?? "open", verdict: query.get("verdict") ?? "", target: query.get("target") ?? "", function: query.get("function") ?? "" };
  if (!(wanted.state in STATES)) wanted.state = "open";
  const body = h("div", {}, loading("Reading the findings…"));
  const told = h("p", { class: "note", role: "status" });
  const stopper = new AbortController();
  const choice = (name: "state" | "verdict" | "target", label: string, options: [string, string][]) => {
    const select = h("select", { "aria-label": label, onchange: () => change({ [name]: select.value }) }, ...options.map(([value, text]) => h("option", { value, selected: value === wanted[name] }, text)));
    return select;
  };
  const target = choice("target", "Target", [["", "all targets"]]);
  const element = h(
    "div",
    {},
    h(
      "div",
      { class: "toolbar" },
      h("h1", {}, "Findings"),
      choice("state", "State", Object.keys(STATES).map((name) => [name, name === "all" ? "all states" : name])),
      choice("verdict", "Verdict", [["", "all verdicts"], ...VERDICTS.map((name): [string, string] => [name, name])]),
      target,
      h("input", { type: "search", value: wanted.function, placeholder: "Function", "aria-label": "With this in the name of the function", oninput: debounce((event: Event) => change({ function: (event.target as HTMLInputElement).value.trim() }), 200) }),
    ),
    told,
    body,
  );

  function change(changes: Partial<typeof wanted>): void {
    Object.assign(wanted, changes);
    keep({ ...wanted, state: wanted.state === "open" ? null : wanted.state });
    void load();
  }

  async function load(): Promise<void> {
    try {
      const asked = { state: STATES[wanted.state], verdict: wanted.verdict, target: /^\d+$/.test(wanted.target) ? wanted.target : "", function: wanted.function };
      const { items, more } = await keptFindings(asked, stopper.signal);
      items.sort((a, b) => rank(a) - rank(b) || severityRank(b.severity) - severityRank(a.severity) || b.course.last_ns - a.course.last_ns);
      told.textContent = items.length ? `${more ? "the last " : ""}${plural(items.length, "finding")}` : "";
      renew(body, items.length ? h("ul", { class: "finding-list" }, ...items.map(item)) : nothing());
    } catch (error) {
      if (!stopper.signal.aborted) replace(body, trouble(error, () => void load()));
    }
  }

  function nothing(): HTMLElement {
    const narrowed = wanted.verdict || wanted.target || wanted.function || wanted.state !== "open";
    return narrowed
      ? empty("No finding matches", h("p", {}, "Another state, verdict, target or function may have some."), h("button", { onclick: () => location.assign("#/findings?state=all") }, "Show all findings"))
      : empty("No open findings", h("p", {}, "Nothing grows beyond the sampling error in the captures so far. A leak shows after some captures; a quick look is a diff of two captures of a target."), h("a", { class: "button", href: "#/" }, "Targets"));
  }

  async function name(): Promise<void> {
    const known = await targets(stopper.signal).catch((): Target[] => []);
    target.append(...known.map(({ id, seen }) => h("option", { value: id, selected: String(id) === wanted.target }, seen.service || seen.address)));
  }

  void load();
  void name();
  return { element, refresh: paced(load, 1000), stop: () => stopper.abort() };
}

/** What needs somebody comes first. */
function rank({ state }: KeptFinding): number {
  return state === "resolved" ? 2 : state === "muted" ? 1 : 0;
}

function item(finding: KeptFinding): HTMLElement {
  const { document: told, course, seen } = finding;
  const last = finding.state === "resolved" && course.resolved_ns ? `resolved ${ago(fromNs(course.resolved_ns), Date.now())}` : `last seen ${ago(fromNs(course.last_ns), Date.now())}`;
  return h(
    "li",
    { class: `card finding-item severity-${finding.severity}` },
    h("span", { class: `chip severity-${finding.severity}` }, finding.severity),
    h(
      "div",
      { class: "finding-words" },
      h("a", { class: "title", href: href(`findings/${finding.id}`) }, told.title),
      h("p", { class: "sub" }, h("a", { href: href(`targets/${finding.target_id}`) }, seen.service || seen.address), ` · ${verdictOf(finding)} · since ${ago(fromNs(course.since_ns), Date.now())} · ${last}`),
    ),
    h("span", { class: "chip" }, finding.state),
  );
}
