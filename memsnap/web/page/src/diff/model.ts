// A diff in columns (`memsnap.columns/1`), and what the views read out of it.

export type Grouping = "site" | "type" | "function" | "line" | "package";
export const GROUPINGS: Grouping[] = ["site", "type", "function", "line", "package"];

export interface Frame {
  function: string;
  file: string;
  line: number;
}

export interface Finding {
  id: string;
  severity: "info" | "low" | "medium" | "high";
  title: string;
  detail: string[];
  advice: string;
  at: Frame | null;
  evidence: Record<string, string | number>;
}

export interface Capture {
  name: string;
  time: string | null;
  target: string;
  service: string;
  pid: number | null;
  executable: string;
  build_id: string;
  go_version: string;
  module_version: string;
  gc: { proven: boolean; reason: string; forced: boolean } | null;
  num_gc: number | null;
  heap_alloc: number | null;
  rss: number | null;
  goroutines: number | null;
  types: unknown;
  sample_rate_bytes: number;
  notes: string[];
}

interface Amount {
  objects: number;
  bytes: number;
}

interface Limits {
  low_objects: number;
  high_objects: number;
  low_bytes: number;
  high_bytes: number;
}

interface Head {
  relation: string;
  warnings: string[];
  elapsed_s: number | null;
  selection: Record<string, string | number>;
  captures: Capture[];
  totals: { before: Amount; after: Amount; growth: Amount & Limits; born: Limits; died: Limits; survived: Limits; sites: number };
  reconciliation: { before: Check; after: Check };
  findings: Finding[];
}

interface Check {
  heap_alloc_bytes: number | null;
  estimate_bytes: number;
  low_bytes: number;
  high_bytes: number;
  agrees: boolean | null;
}

/** Parallel columns, a row per site or group; texts and nodes of -1 are unknown. */
export interface Table {
  type: number[];
  alloc: number[];
  function: number[];
  file: number[];
  line: number[];
  package: number[];
  inferred: number[];
  object_bytes: number[];
  buckets: number[];
  node: number[];
  before_objects: number[];
  before_bytes: number[];
  after_objects: number[];
  after_bytes: number[];
  low_objects: number[];
  high_objects: number[];
  low_bytes: number[];
  high_bytes: number[];
  survived_low_objects: number[];
  survived_high_objects: number[];
  survived_low_bytes: number[];
  survived_high_bytes: number[];
  allocated_bytes: number[] | null;
  samples: number[];
  p_value: number[];
  significant: number[];
  verdict: number[];
  history_bytes?: number[][];
}

export interface Tree {
  parent: number[];
  frame: number[];
  function: number[];
  file: number[];
  line: number[];
}

export interface DiffDocument {
  schema: string;
  diff: Head;
  /** A report holds those that are not shown first as JSON, to be read when they are. */
  tables: Record<Grouping, Table | string>;
  tree: Tree;
  strings: string[];
}

/** A diff with the lookups that its parts share. */
export class Diff {
  readonly head: Head;
  readonly tree: Tree;
  readonly strings: string[];

  constructor(readonly document: DiffDocument) {
    this.head = document.diff;
    this.tree = document.tree;
    this.strings = document.strings;
  }

  table(by: Grouping): Table {
    const { tables } = this.document;
    const found = tables[by];
    return typeof found === "string" ? (tables[by] = JSON.parse(found) as Table) : found;
  }

  text(place: number): string {
    return place < 0 ? "" : this.strings[place];
  }

  /** The frames from a leaf outwards, innermost first. */
  stack(node: number): Frame[] {
    const frames: Frame[] = [];
    for (let at = node; at > 0; at = this.tree.parent[at]) frames.push(this.frame(this.tree.frame[at]));
    return frames;
  }

  frame(number: number): Frame {
    const { tree } = this;
    return { function: this.text(tree.function[number]), file: this.text(tree.file[number]), line: tree.line[number] };
  }

  /** What a row is called under a grouping. */
  name(by: Grouping, table: Table, row: number): string {
    if (by === "type") return this.text(table.type[row]) || "unknown type";
    if (by === "package") return this.text(table.package[row]) || "unknown package";
    return this.text(table.function[row]) || "unknown function";
  }

  /** What the row's verdict is, in one word; nothing where it is unknown whether anything changed at all. */
  verdict(table: Table, row: number): string {
    const verdict = this.text(table.verdict[row]);
    return verdict === "unknown" && !table.significant[row] ? "" : verdict;
  }

  /** The sites of the whole diff that a row of a grouping stands for. */
  sitesOf(by: Grouping, row: number): (site: number) => boolean {
    const sites = this.table("site");
    if (by === "site") return (site) => site === row;
    const group = this.table(by);
    const same = (column: "type" | "function" | "line" | "package" | "file") => {
      const wanted = group[column][row];
      return (site: number) => sites[column][site] === wanted;
    };
    if (by !== "line") return same(by);
    const [file, line, name] = [same("file"), same("line"), same("function")];
    return (site) => line(site) && file(site) && name(site);
  }
}

/** Rows that a search finds and in what order. */
export type SortKey = "confidence" | "growth" | "before" | "after" | "born" | "died" | "survived" | "name";

export function growth(table: Table, row: number): number {
  return table.after_bytes[row] - table.before_bytes[row];
}

/** The row numbers in an order; the document's own is by confidence. */
export function ordered(diff: Diff, by: Grouping, key: SortKey, descending: boolean, words: string): Uint32Array {
  const table = diff.table(by);
  const rows = matching(diff, table, words);
  if (key === "confidence") return descending ? rows : rows.reverse();
  if (key === "name") {
    const names = Array.from(table.node, (_, row) => diff.name(by, table, row));
    rows.sort((a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b));
    return descending ? rows.reverse() : rows;
  }
  const value = valueOf(table, key);
  const sign = descending ? -1 : 1;
  return rows.sort((a, b) => sign * (value(a) - value(b)) || a - b);
}

function valueOf(table: Table, key: Exclude<SortKey, "confidence" | "name">): (row: number) => number {
  switch (key) {
    case "growth":
      return (row) => growth(table, row);
    case "before":
      return (row) => table.before_bytes[row];
    case "after":
      return (row) => table.after_bytes[row];
    case "born":
      return (row) => table.after_bytes[row] - table.survived_low_bytes[row];
    case "died":
      return (row) => table.before_bytes[row] - table.survived_low_bytes[row];
    case "survived":
      return (row) => table.survived_high_bytes[row];
  }
}

function matching(diff: Diff, table: Table, words: string): Uint32Array {
  const length = table.node.length;
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (!wanted.length) return Uint32Array.from({ length }, (_, row) => row);
  // Each text is looked at once, however many rows have it.
  const hits = wanted.map((word) => diff.strings.map((text) => text.toLowerCase().includes(word)));
  const columns = [table.type, table.function, table.file, table.package, table.alloc];
  const found: number[] = [];
  for (let row = 0; row < length; row += 1) {
    if (hits.every((hit) => columns.some((column) => column[row] >= 0 && hit[column[row]]))) found.push(row);
  }
  return Uint32Array.from(found);
}
