// The diff of two captures of a daemon.

import { get, type Page, type Target } from "../api.ts";
import { h, replace } from "../dom.ts";
import { href, route } from "../state.ts";
import { Diff, type DiffDocument } from "../diff/model.ts";
import { DiffView } from "../diff/view.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

/** Captures between A and B that are taken along: two alone cannot tell a leak from a cache that fills. */
const BETWEEN = 8;
const MOST_SAMPLES = 20_000; // of a capture up to which more of them are read by default

interface SnapshotRecord {
  id: number;
  target_id: number;
  samples: number;
}

export function diff(): View {
  const { query } = route();
  const [a, b] = [query.get("a") ?? "", query.get("b") ?? ""];
  setPlace(["Diff", ""]);
  const stopper = new AbortController();
  const body = h("div", {}, loading("Comparing the captures…"));
  const element = h("div", {}, h("h1", { class: "sr-only" }, "Diff"), body);
  const at = (snapshot: string, form: string) => `${new URL("api/v1/snapshots/", document.baseURI).href}${snapshot}/${form}`;
  let types: Promise<string[]> | null = null;

  let between = query.get("between");

  async function fetched(focus: string): Promise<Diff> {
    const document = await get<DiffDocument>("api/v1/diff/columns", { before: a, after: b, between, focus, in: query.get("in"), package: query.get("package"), file: query.get("file") }, stopper.signal);
    const found = new Diff(document);
    if (!focus) types ??= Promise.resolve(names(found));
    return found;
  }

  function downloads(snapshot: string): HTMLElement {
    return h("p", { class: "downloads" }, h("a", { class: "download", href: at(snapshot, "snap"), download: true }, "Download .snap"), h("a", { class: "download", href: at(snapshot, "pprof"), download: true }, "pprof"));
  }

  async function load(): Promise<void> {
    const view = new DiffView({
      load: fetched,
      types: () => (types ??= fetched("").then(names)),
      sources: { before: at(a, "pprof"), after: at(b, "pprof") },
      links: { before: downloads(a), after: downloads(b) },
    });
    try {
      const found = await get<Page<SnapshotRecord>>("api/v1/snapshots", { id: b }, stopper.signal);
      const record = found.items[0];
      if (record) void name(record.target_id);
      between ??= String(record && record.samples <= MOST_SAMPLES ? BETWEEN : 0);
      await view.load();
      replace(body, view.element);
      await view.show();
    } catch (error) {
      if (!stopper.signal.aborted) replace(body, trouble(error, () => void load()));
    }
  }

  async function name(target: number): Promise<void> {
    const record = await get<Target>(`api/v1/targets/${target}`, {}, stopper.signal).catch(() => null);
    if (record) setPlace([record.seen.service || record.seen.address, href(`targets/${target}`, { a, b })], ["Diff", ""]);
  }

  if ([a, b].every((id) => /^\d+$/.test(id))) void load();
  else replace(body, empty("This link names no two captures", h("p", {}, "Open a target and choose A and B."), h("a", { class: "button", href: "#/" }, "All targets")));
  return { element, stop: () => stopper.abort() };
}

function names(diff: Diff): string[] {
  return diff.table("type").type.map((place) => diff.text(place)).filter(Boolean);
}
