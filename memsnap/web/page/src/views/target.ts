// One target over time: choose two of its captures and see what changed between them.

import { get, post, Problem, type Failure, type Page, type Series, type Target } from "../api.ts";
import { SeriesChart, type ChartInput, type Mark } from "../charts/series.ts";
import { announce, debounce, h, replace } from "../dom.ts";
import { ago, bytes, duration, fromNs, moment, shortType } from "../format.ts";
import { href, keep, route } from "../state.ts";
import { Diff, type DiffDocument } from "../diff/model.ts";
import { command } from "../diff/stack.ts";
import { findingsByTarget, type KeptFinding } from "../findings.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

const SPANS = ["15m", "1h", "6h", "24h", "7d", "30d"];
const METRICS = ["heap", "next-gc", "rss", "stacks", "goroutines", "gc"];
const MOST_LAYERS = 6;
const LAYER_COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];

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
  const picker = h("section", { class: "card picker", "aria-label": "Captures to compare" });
  const notes = h("div", { class: "notes" });
  const layers = h("div", {});
  let series: Series | null = null;
  let layer: SeriesChart | null = null; // of types or functions
  const stopper = new AbortController();
  const said = h("span", { class: "note", role: "status" });
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
      h("button", { onclick: () => void captureNow() }, "Capture now"),
      h("select", { "aria-label": "Time span", onchange: (event: Event) => ((state.span = (event.target as HTMLSelectElement).value), keep({ span: state.span }), void load()) }, ...SPANS.map((span) => h("option", { value: span, selected: span === state.span }, `last ${span}`))),
    ),
    notes,
    picker,
    body,
    layers,
  );

  async function load(): Promise<void> {
    try {
      const [record, found] = await Promise.all([
        get<Target>(`api/v1/targets/${id}`, {}, stopper.signal),
        get<Series>(`api/v1/targets/${id}/series`, { metric: METRICS, since: `-${state.span}` }, stopper.signal),
      ]);
      series = found;
      name(record);
      void tellNotes(record);
      if (!found.slot_ns.length) {
        replace(body, empty(`No capture in the last ${state.span}`, h("p", {}, record.last_slot_ns === null ? "This target has none at all yet." : `Its last capture is from ${moment(fromNs(record.last_slot_ns))}: choose a longer span.`), record.last_failure ? h("p", { class: "error" }, record.last_failure) : null));
        replace(picker);
        return;
      }
      draw(found);
      pick();
    } catch (error) {
      if (!stopper.signal.aborted) replace(body, trouble(error, () => void load()));
    }
  }

  async function captureNow(): Promise<void> {
    replace(said, "Capturing…");
    try {
      await post(`api/v1/targets/${id}/captures`);
      replace(said, "Captured.");
      await load();
    } catch (error) {
      replace(said, error instanceof Problem ? `${error.detail} ${error.hint}` : String(error));
    }
  }

  function name({ seen }: Target): void {
    const text = seen.service || seen.address;
    title.textContent = text;
    setPlace([text, href(`targets/${id}`)]);
    replace(labels, h("span", { class: "sub" }, seen.address), ...seen.labels.map(([key, value]) => h("span", { class: "chip" }, `${key}=${value}`)));
  }

  async function tellNotes(record: Target): Promise<void> {
    const [failures, byTarget] = await Promise.all([
      get<Page<Failure>>(`api/v1/targets/${id}/failures`, { limit: 1 }, stopper.signal).catch(() => null),
      findingsByTarget(stopper.signal).catch(() => new Map()),
    ]);
    const open = ((byTarget as Map<number, KeptFinding[]>).get(id) ?? []);
    const last = failures?.items[0];
    replace(
      notes,
      record.last_failure ? h("p", { class: "banner warn" }, h("strong", {}, "Captures fail: "), record.last_failure, last ? ` (${ago(fromNs(last.at_ns), Date.now())})` : "") : null,
      ...open.map((finding) => h("p", { class: "banner" }, h("span", { class: `chip severity-${finding.severity}` }, finding.severity), " ", h("a", { href: href(`findings/${finding.id}`) }, finding.document.title))),
    );
  }

  function column(found: Series, metric: string): (number | null)[] {
    return found.columns.find((each) => each.name === metric)?.values ?? [];
  }

  function draw(found: Series): void {
    const times = found.slot_ns.map((slot) => slot / 1e9);
    const marks = restarts(found, times);
    const inputs: ChartInput[] = [
      {
        title: "Heap",
        unit: "bytes",
        times,
        marks,
        lines: [
          { name: "heap after GC", colour: "--series-1", values: column(found, "heap") },
          { name: "next GC at", colour: "--series-2", values: column(found, "next-gc") },
        ],
      },
      {
        title: "Process",
        unit: "bytes",
        times,
        marks,
        lines: [
          { name: "RSS", colour: "--series-3", values: column(found, "rss") },
          { name: "stacks", colour: "--series-4", values: column(found, "stacks") },
        ],
      },
      { title: "Goroutines", unit: "count", times, marks, lines: [{ name: "goroutines", colour: "--series-5", values: column(found, "goroutines") }] },
      { title: "GC cycles per minute", unit: "count", times, marks, lines: [{ name: "cycles/min", colour: "--series-6", values: perMinute(found, column(found, "gc")) }] },
    ];
    if (charts.length) {
      inputs.forEach((input, at) => charts[at].update(input));
      return;
    }
    charts.push(...inputs.map((input) => new SeriesChart(input, brushed, clicked)));
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
    announce(told());
  }

  function told(): string {
    const [a, b] = [place(state.a), place(state.b)];
    if (a < 0 || b < 0) return "";
    const heap = column(series!, "heap");
    const between = duration((series!.slot_ns[b] - series!.slot_ns[a]) / 1e9);
    const grown = heap[a] === null || heap[b] === null ? "" : `, heap ${bytes(heap[a])} to ${bytes(heap[b])}`;
    return `${between} apart${grown}`;
  }

  function pick(): void {
    const found = series!;
    const last = found.snapshot_id.length - 1;
    if (place(state.a) < 0 || place(state.b) < 0) {
      const life = found.process_id.indexOf(found.process_id[last]);
      [state.a, state.b] = [found.snapshot_id[Math.min(life, last)], found.snapshot_id[last]];
    }
    const [a, b] = [place(state.a), place(state.b)];
    for (const chart of [...charts, layer]) chart?.pick({ a: found.slot_ns[a] / 1e9, b: found.slot_ns[b] / 1e9 });
    const same = a === b;
    replace(
      picker,
      h("p", { class: "hint" }, "Drag over a chart to choose A and B; each snaps to a capture. A click moves the nearer one."),
      h("div", { class: "ends" }, end("A", a), end("B", b), h("p", { class: "between" }, told()), h("a", { class: same ? "button off" : "button", href: same ? null : href("diff", { a: state.a, b: state.b }), "aria-disabled": String(same) }, "Compare A and B")),
    );
    if (!same) void showLayers();
  }

  function end(letter: string, at: number): HTMLElement {
    const found = series!;
    const heap = column(found, "heap");
    const options = found.snapshot_id.map((snapshot, place) => h("option", { value: snapshot, selected: place === at }, `${moment(fromNs(found.slot_ns[place]))} · ${bytes(heap[place])}`));
    const select = h("select", { "aria-label": `Capture ${letter}`, onchange: () => (letter === "A" ? choose(Number(select.value), state.b!) : choose(state.a!, Number(select.value))) }, ...options);
    const snapshot = found.snapshot_id[at];
    return h("div", { class: "end" }, h("span", { class: "letter" }, letter), select, h("a", { href: `api/v1/snapshots/${snapshot}/snap`, download: true, class: "download" }, ".snap"), h("a", { href: `api/v1/snapshots/${snapshot}/pprof`, download: true, class: "download" }, "pprof"));
  }

  /** The types that hold most in B, over time. */
  const showLayers = debounce(async () => {
    const { a, b } = state;
    try {
      const diff = new Diff(await get<DiffDocument>("api/page/diff", { a, b }, stopper.signal));
      const found = series!;
      const by = diff.table("type").type.some((place) => place >= 0) ? "type" : "function";
      const table = diff.table(by);
      const order = [...table.node.keys()].filter((row) => table[by][row] >= 0).sort((x, y) => table.after_bytes[y] - table.after_bytes[x]).slice(0, MOST_LAYERS);
      const names = order.map((row) => diff.name(by, table, row));
      const parts = await Promise.all(names.map((text) => get<Series>(`api/v1/targets/${id}/series`, { [by === "type" ? "focus" : "in"]: by === "type" ? text : exact(text), since: `-${state.span}` }, stopper.signal)));
      const byName = parts.map((part) => {
        const values = part.columns.find((each) => each.name === "live_bytes")?.values ?? [];
        const at = new Map(part.snapshot_id.map((snapshot, place) => [snapshot, values[place]]));
        return found.snapshot_id.map((snapshot) => at.get(snapshot) ?? null);
      });
      const input: ChartInput = {
        title: by === "type" ? "Live heap by type" : "Live heap by function (these captures carry no types)",
        unit: "bytes",
        times: found.slot_ns.map((slot) => slot / 1e9),
        marks: restarts(found, found.slot_ns.map((slot) => slot / 1e9)),
        stacked: true,
        lines: names.map((text, at) => ({ name: by === "type" ? shortType(text) : text.split("/").pop()!, colour: LAYER_COLOURS[at], values: byName[at] })),
      };
      if (layer) layer.update(input);
      else {
        layer = new SeriesChart(input, brushed, clicked);
        replace(layers, layer.element, h("div", { class: "card" }, h("h2", {}, "In a terminal"), command(`memsnap diff --server ${location.origin} store:${a} store:${b}`)));
      }
      layer.pick({ a: found.slot_ns[place(a)] / 1e9, b: found.slot_ns[place(b)] / 1e9 });
    } catch (error) {
      if (stopper.signal.aborted) return;
      if (!layer) replace(layers, trouble(error));
    }
  }, 300);

  void load();
  return {
    element,
    refresh: debounce(() => void load(), 600),
    stop: () => {
      stopper.abort();
      for (const chart of [...charts, layer]) chart?.stop();
    },
  };
}

function number(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

/** A pattern for `in` that means one function. */
function exact(name: string): string {
  return `re:^${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
}

function restarts(found: Series, times: number[]): Mark[] {
  return times.flatMap((at, place) => (place && found.process_id[place] !== found.process_id[place - 1] ? [{ at, text: "restart" }] : []));
}

/** Cycles per minute since the capture before, null over a restart. */
function perMinute(found: Series, cycles: (number | null)[]): (number | null)[] {
  return cycles.map((now, at) => {
    const before = at ? cycles[at - 1] : null;
    if (now === null || before === null || found.process_id[at] !== found.process_id[at - 1] || now < before) return null;
    return ((now - before) * 60e9) / (found.slot_ns[at] - found.slot_ns[at - 1]);
  });
}

