// The table of a diff: only the rows in sight are elements, however many there are.

import { h, setVar } from "../dom.ts";
import { bytes, change, count, plural, shortFile, shortFunction, shortType, span } from "../format.ts";
import { growth, type Diff, type Grouping, type SortKey, type Table } from "./model.ts";

const SPARE = 6; // rows kept ready above and below what is in sight

export interface TableEvents {
  selected(row: number): void;
  sorted(key: SortKey): void;
}

const COLUMNS: [SortKey, string, string][] = [
  ["growth", "Growth", "Live after less live before, with the 95 % interval"],
  ["born", "Born", "New since A and still alive in B"],
  ["died", "Died", "Alive in A, gone in B"],
  ["survived", "Survived", "Alive in A and still alive in B"],
  ["after", "Live", "Live before and after"],
];

export class DiffTable {
  readonly element: HTMLElement;
  private readonly head: HTMLElement;
  private readonly body: HTMLElement;
  private readonly space: HTMLElement;
  private readonly scroller: HTMLElement;
  private rows: Uint32Array = new Uint32Array();
  private pool: Row[] = [];
  private at = -1; // the selected place in `rows`
  private diff!: Diff;
  private by: Grouping = "site";
  private scale = 1;
  private frame = 0;
  private height = 50; // of a row, CSS pixels

  constructor(private readonly events: TableEvents) {
    this.head = h("div", { class: "row head", role: "row", "aria-rowindex": 1 });
    this.body = h("div", { class: "rows", role: "rowgroup" });
    this.space = h("div", { class: "space", role: "presentation" }, this.body);
    this.scroller = h(
      "div",
      {
        class: "grid",
        role: "grid",
        tabindex: 0,
        "aria-label": "What changed. Arrow keys choose a row.",
        onscroll: () => this.redraw(),
        onkeydown: (event: KeyboardEvent) => this.key(event),
      },
      h("div", { class: "head-group", role: "rowgroup" }, this.head),
      this.space,
    );
    this.element = this.scroller;
    new ResizeObserver(() => {
      this.height = parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row"));
      this.redraw();
    }).observe(this.scroller);
  }

  /** Shows rows of a table in this order. */
  show(diff: Diff, by: Grouping, rows: Uint32Array, sort: { key: SortKey; descending: boolean }): void {
    Object.assign(this, { diff, by, rows });
    const table = diff.table(by);
    this.scale = rows.reduce((most, row) => Math.max(most, table.before_bytes[row], table.after_bytes[row]), 1);
    this.at = -1;
    this.head.replaceChildren(...this.headers(sort));
    this.scroller.setAttribute("aria-rowcount", String(rows.length + 1));
    this.scroller.scrollTop = 0;
    this.redraw();
  }

  /** Selects a row by its number in the table and brings it into sight; -1 selects none. */
  select(row: number): void {
    this.at = this.rows.indexOf(row);
    if (this.at >= 0) this.reveal();
    this.redraw();
  }

  private headers(sort: { key: SortKey; descending: boolean }): HTMLElement[] {
    const header = (key: SortKey, text: string, title: string, kind: string) => {
      const chosen = sort.key === key;
      const order = chosen ? (sort.descending ? "descending" : "ascending") : "none";
      return h(
        "div",
        { class: `cell ${kind}`, role: "columnheader", "aria-sort": order },
        h("button", { class: "sort", title, onclick: () => this.events.sorted(key) }, text, h("span", { class: `arrow ${order}`, "aria-hidden": "true" })),
      );
    };
    const verdict = header("confidence", "Verdict", "Sure growth first", "verdict-cell");
    return [header("name", this.by[0].toUpperCase() + this.by.slice(1), "By name", "what"), verdict, ...COLUMNS.map(([key, text, title]) => header(key, text, title, `number ${key}-cell`))];
  }

  private redraw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    if (!this.diff) return;
    const height = this.height;
    setVar(this.space, "height", `${this.rows.length * height}px`);
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - SPARE);
    const seen = Math.ceil(this.scroller.clientHeight / height) + 2 * SPARE;
    const last = Math.min(this.rows.length, first + seen);
    setVar(this.body, "transform", `translateY(${first * height}px)`);
    while (this.pool.length < last - first) {
      const row = new Row((place) => this.choose(place));
      this.pool.push(row);
      this.body.append(row.element);
    }
    const table = this.diff.table(this.by);
    this.pool.forEach((row, at) => {
      const place = first + at;
      const shown = place < last;
      row.element.hidden = !shown;
      if (shown) row.fill(this.diff, this.by, table, this.rows[place], place, this.scale, place === this.at);
    });
    if (this.at >= first && this.at < last) this.scroller.setAttribute("aria-activedescendant", `row-${this.at}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  private choose(place: number): void {
    if (place < 0 || place >= this.rows.length) return;
    this.at = place;
    this.reveal();
    this.redraw();
    this.events.selected(this.rows[place]);
  }

  private reveal(): void {
    const [height, head] = [this.height, this.head.offsetHeight];
    const top = this.at * height;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + height > scrollTop + clientHeight - head) this.scroller.scrollTop = top + height - clientHeight + head;
  }

  private key(event: KeyboardEvent): void {
    if (event.target !== this.scroller) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 2);
    const moves: Record<string, number> = {
      ArrowDown: this.at + 1,
      ArrowUp: Math.max(this.at - 1, 0),
      PageDown: Math.min(Math.max(this.at, 0) + page, this.rows.length - 1),
      PageUp: Math.max(this.at - page, 0),
      Home: 0,
      End: this.rows.length - 1,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.choose(moves[event.key]);
  }
}

/** One row's elements, filled anew whenever it stands for another row. */
class Row {
  readonly element: HTMLElement;
  private readonly name = h("span", { class: "name" });
  private readonly sub = h("span", { class: "sub" });
  private readonly verdict = h("span", { class: "chip" });
  private readonly live = h("span", { class: "figure" });
  private readonly was = h("span", { class: "limits" });
  private readonly bars: Record<"growth" | "born" | "died" | "survived", Bar>;
  private place = 0;

  constructor(choose: (place: number) => void) {
    this.bars = { growth: new Bar("growth"), born: new Bar("born"), died: new Bar("died"), survived: new Bar("survived") };
    const cell = (kind: string, ...children: Node[]) => h("div", { class: `cell ${kind}`, role: "gridcell" }, ...children);
    const { growth: grown, born, died, survived } = this.bars;
    this.element = h(
      "div",
      { class: "row", role: "row", onclick: () => choose(this.place) },
      cell("what", this.name, this.sub),
      cell("verdict-cell", this.verdict),
      cell("number growth-cell", ...grown.parts),
      cell("number born-cell", ...born.parts),
      cell("number died-cell", ...died.parts),
      cell("number survived-cell", ...survived.parts),
      cell("number after-cell", this.live, this.was),
    );
  }

  fill(diff: Diff, by: Grouping, table: Table, row: number, place: number, scale: number, selected: boolean): void {
    this.place = place;
    this.element.id = `row-${place}`;
    this.element.setAttribute("aria-rowindex", String(place + 2));
    this.element.setAttribute("aria-selected", String(selected));
    const full = diff.name(by, table, row);
    this.name.textContent = by === "type" ? shortType(full) : by === "package" ? full : shortFunction(full);
    this.name.title = full;
    this.sub.textContent = under(diff, by, table, row);
    const verdict = diff.verdict(table, row);
    this.verdict.textContent = verdict;
    this.verdict.className = `chip verdict-${verdict.replaceAll(" ", "-")}`;
    const [before, after] = [table.before_bytes[row], table.after_bytes[row]];
    const [low, high] = [table.survived_low_bytes[row], table.survived_high_bytes[row]];
    this.bars.growth.fill(growth(table, row), table.low_bytes[row], table.high_bytes[row], scale, change);
    this.bars.born.fill(null, after - high, after - low, scale, bytes);
    this.bars.died.fill(null, before - high, before - low, scale, bytes);
    this.bars.survived.fill(null, low, high, scale, bytes);
    this.live.textContent = bytes(after);
    this.was.textContent = `from ${bytes(before)}`;
  }
}

/** A number with its limits, drawn as a bar with a whisker from the low to the high one. */
class Bar {
  readonly parts: HTMLElement[];
  private readonly figure = h("span", { class: "figure" });
  private readonly limits = h("span", { class: "limits" });
  private readonly bar: HTMLElement;

  constructor(private readonly kind: string) {
    this.bar = h("span", { class: `bar ${kind}`, "aria-hidden": "true" }, h("i", { class: "fill" }), h("i", { class: "whisker" }));
    this.parts = [this.figure, this.limits, this.bar];
  }

  fill(value: number | null, low: number, high: number, scale: number, write: (value: number) => string): void {
    const exact = low === high;
    this.figure.textContent = value !== null ? write(value) : span(low, high);
    this.limits.textContent = value !== null && !exact ? span(low, high, true) : "";
    this.figure.classList.toggle("zero", (value ?? high) === 0);
    // Growth has its zero in the middle; the others at the left.
    const signed = this.kind === "growth";
    const place = (bytes: number) => Math.max(0, Math.min(100, signed ? 50 + (bytes / scale) * 50 : (bytes / scale) * 100));
    const end = value ?? (low + high) / 2;
    const [from, to] = [place(Math.min(0, end)), place(Math.max(0, end))];
    setVar(this.bar, "--from", `${from}%`);
    setVar(this.bar, "--wide", `${to - from}%`);
    setVar(this.bar, "--low", `${place(low)}%`);
    setVar(this.bar, "--span", `${place(high) - place(low)}%`);
    this.bar.classList.toggle("negative", end < 0);
    this.bar.classList.toggle("exact", exact);
  }
}

function under(diff: Diff, by: Grouping, table: Table, row: number): string {
  const parts: string[] = [];
  if (by !== "type") {
    const type = diff.text(table.type[row]);
    if (type) parts.push(shortType(type) + (table.inferred[row] ? "?" : ""));
  }
  const alloc = diff.text(table.alloc[row]);
  if (alloc) parts.push(alloc);
  if (by === "site" && table.object_bytes[row] > 0) parts.push(`${count(table.object_bytes[row])} B each`);
  const file = diff.text(table.file[row]);
  if (file && by !== "type" && by !== "package") parts.push(shortFile(file) + (table.line[row] ? `:${table.line[row]}` : ""));
  if (by !== "site") parts.push(plural(table.buckets[row], "site"));
  return parts.join(" · ");
}
