// A target's series and timeline as the input of charts.

import type { Life, Series, Timeline, TimelineFinding, TopSeries } from "../api.ts";
import { fromNs, shortFile, shortFunction, shortType } from "../format.ts";
import { severityRank } from "../findings.ts";
import { href } from "../state.ts";
import type { Band, ChartInput, Line, Mark } from "./series.ts";

export const METRICS = ["heap", "next-gc", "rss", "stacks", "goroutines", "gc"];
const LAYER_COLOURS = ["--series-1", "--series-3", "--series-5", "--series-4", "--series-6", "--series-7"];
export const MOST_LAYERS = LAYER_COLOURS.length;

export type LayerBy = "type" | "line" | "function" | "package";
export const LAYERS: LayerBy[] = ["type", "line", "function", "package"];

type Columns = Pick<Series, "slot_ns" | "process_id">;

export function column(found: Series, metric: string): (number | null)[] {
  return found.columns.find((each) => each.name === metric)?.values ?? [];
}

/** Where a new process began, by its place among the captures: lines break there. */
function breaks(found: Columns): number[] {
  return found.process_id.flatMap((process, at) => (at && process !== found.process_id[at - 1] ? [at] : []));
}

/** Each life of the process but the first that is shown: restarted, or another build. */
export function marks(lives: Life[], from: number): Mark[] {
  return lives.flatMap((life, at) => {
    const before = lives[at - 1];
    if (!before || fromNs(life.first_slot_ns) / 1e3 < from) return [];
    const text = life.build_id === before.build_id ? "restart" : life.build && life.build !== before.build ? `build ${short(life.build)}` : "new build";
    return [{ at: life.first_slot_ns / 1e9, text }];
  });
}

function short(build: string): string {
  const text = build.replace(/^build /, "");
  return /^[0-9a-f]{12,}$/.test(text) ? text.slice(0, 8) : text;
}

/** The spans of findings, the most severe first; those that still are reach to the last capture. */
export function bands(findings: TimelineFinding[], end: number): Band[] {
  return [...findings]
    .sort((a, b) => severityRank(b.severity) - severityRank(a.severity) || b.last_ns - a.last_ns)
    .map((each) => ({
      from: each.since_ns / 1e9,
      until: each.state === "resolved" ? (each.resolved_ns ?? each.last_ns) / 1e9 : end,
      text: each.state === "muted" ? `${each.title} (muted)` : each.title,
      colour: `--${each.severity}-ink`,
      link: href(`findings/${each.id}`),
    }));
}

/** The charts of what every capture tells. */
export function inputs(found: Series, { lives, findings }: Timeline): ChartInput[] {
  const times = found.slot_ns.map((slot) => slot / 1e9);
  const shared = { times, marks: marks(lives, times[0]), breaks: breaks(found) };
  const line = (name: string, colour: string, metric: string): Line => ({ name, colour, values: column(found, metric) });
  return [
    { ...shared, title: "Heap", unit: "bytes", bands: bands(findings, times[times.length - 1]), lines: [line("heap after GC", "--series-1", "heap"), line("next GC at", "--series-2", "next-gc")] },
    { ...shared, title: "Process", unit: "bytes", lines: [line("RSS", "--series-3", "rss"), line("stacks", "--series-4", "stacks")] },
    { ...shared, title: "Goroutines", unit: "count", lines: [line("goroutines", "--series-5", "goroutines")] },
    { ...shared, title: "GC cycles per minute", unit: "count", lines: [{ name: "cycles/min", colour: "--series-6", values: perMinute(found, column(found, "gc")) }] },
  ];
}

/** What holds the live heap, one above the other; what is not named lies at the bottom. */
export function layers(top: TopSeries, timeline: Timeline): ChartInput {
  const times = top.slot_ns.map((slot) => slot / 1e9);
  const named = top.items.map((item, at): Line => ({ name: layerName(top, at), colour: LAYER_COLOURS[at % MOST_LAYERS], values: item.values }));
  const some = (values: number[] | null) => values?.some((value) => value > 0);
  if (some(top.rest)) named.push({ name: "all others", colour: "--survived", values: top.rest });
  if (some(top.unknown)) named.push({ name: "unknown type", colour: "--unknown", values: top.unknown! });
  return { title: "", unit: "bytes", times, stacked: true, marks: marks(timeline.lives, times[0]), breaks: breaks(top), lines: named };
}

export function layerName({ by, items }: TopSeries, at: number): string {
  const { name, file, line } = items[at];
  if (by === "type") return shortType(name);
  if (by === "package") return name || "unknown package";
  const text = shortFunction(name) || "unknown function";
  return by === "line" && file ? `${text} ${shortFile(file)}:${line}` : text;
}

/** Cycles per minute since the capture before, null over a restart. */
function perMinute(found: Series, cycles: (number | null)[]): (number | null)[] {
  return cycles.map((now, at) => {
    const before = at ? cycles[at - 1] : null;
    if (now === null || before === null || found.process_id[at] !== found.process_id[at - 1] || now < before) return null;
    return ((now - before) * 60e9) / (found.slot_ns[at] - found.slot_ns[at - 1]);
  });
}
