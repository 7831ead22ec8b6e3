// One row of a diff's table: elements that are filled anew when they come to stand for another row.

import { h } from "../dom.ts";
import { bytes, change, count, plural, shortFile, shortFunction, shortType, span } from "../format.ts";
import { growth, type Diff, type Grouping, type Table } from "./model.ts";

/** What all rows share; another one means that every row is another. */
export interface Content {
  diff: Diff;
  by: Grouping;
  table: Table;
  /** Bytes that fill a bar. */
  scale: number;
}

export class Row {
  readonly element: HTMLElement;
  /** Its place in the table, -1 for none yet. */
  place = -1;
  private content: Content | null = null;
  private height = 0;
  private hidden = false;
  private selected = false;
  private readonly name = text("name");
  private readonly sub = text("sub");
  private readonly verdict = text("chip");
  private readonly live = text("figure");
  private readonly was = text("limits");
  private readonly grown = new Bar("growth");
  private readonly born = new Bar("born");
  private readonly died = new Bar("died");
  private readonly survived = new Bar("survived");

  constructor(choose: (place: number) => void) {
    const cell = (kind: string, ...children: Node[]) => h("div", { class: `cell ${kind}`, role: "gridcell" }, ...children);
    this.element = h(
      "div",
      { class: "row", role: "row", "aria-selected": "false", onclick: () => choose(this.place) },
      cell("what", this.name.element, this.sub.element),
      cell("verdict-cell", this.verdict.element),
      cell("number growth-cell", ...this.grown.parts),
      cell("number born-cell", ...this.born.parts),
      cell("number died-cell", ...this.died.parts),
      cell("number survived-cell", ...this.survived.parts),
      cell("number after-cell", this.live.element, this.was.element),
    );
  }

  /** Stands for a row at a place; nothing is done where it does so already. */
  show(content: Content, row: number, place: number, height: number): void {
    if (place === this.place && content === this.content && height === this.height) return;
    if (place !== this.place) {
      this.element.id = `row-${place}`;
      this.element.ariaRowIndex = String(place + 2);
    }
    if (place !== this.place || height !== this.height) this.element.style.transform = `translateY(${place * height}px)`;
    Object.assign(this, { place, content, height });
    this.fill(content, row);
  }

  hide(hidden: boolean): void {
    if (hidden !== this.hidden) this.element.hidden = this.hidden = hidden;
  }

  select(selected: boolean): void {
    if (selected === this.selected) return;
    this.selected = selected;
    this.element.ariaSelected = String(selected);
  }

  private fill({ diff, by, table, scale }: Content, row: number): void {
    const full = diff.name(by, table, row);
    this.name.write(by === "type" ? shortType(full) : by === "package" ? full : shortFunction(full));
    this.name.element.title = full;
    this.sub.write(under(diff, by, table, row));
    const verdict = diff.verdict(table, row);
    if (this.verdict.write(verdict)) this.verdict.element.className = `chip verdict-${verdict.replaceAll(" ", "-")}`;
    const [before, after] = [table.before_bytes[row], table.after_bytes[row]];
    const [low, high] = [table.survived_low_bytes[row], table.survived_high_bytes[row]];
    this.grown.fill(growth(table, row), table.low_bytes[row], table.high_bytes[row], scale);
    this.born.fill(null, after - high, after - low, scale);
    this.died.fill(null, before - high, before - low, scale);
    this.survived.fill(null, low, high, scale);
    this.live.write(bytes(after));
    this.was.write(`from ${bytes(before)}`);
  }
}

interface Text {
  element: HTMLElement;
  /** Whether that is another text than before. */
  write(text: string): boolean;
}

function text(kind: string): Text {
  const node = document.createTextNode("");
  let shown = "";
  return {
    element: h("span", { class: kind }, node),
    write: (text) => {
      if (text === shown) return false;
      node.data = shown = text;
      return true;
    },
  };
}

/** A number with its limits, drawn as a bar with a whisker from the low to the high one. */
class Bar {
  readonly parts: HTMLElement[];
  private readonly figure = text("figure");
  private readonly limits = text("limits");
  private readonly box = h("i", { class: "fill" });
  private readonly whisker = h("i", { class: "whisker" });
  private readonly bar: HTMLElement;
  private shown: number[] = [];

  constructor(private readonly kind: string) {
    this.bar = h("span", { class: `bar ${kind}`, "aria-hidden": "true" }, this.box, this.whisker);
    this.parts = [this.figure.element, this.limits.element, this.bar];
  }

  fill(value: number | null, low: number, high: number, scale: number): void {
    const next = [value ?? NaN, low, high, scale];
    if (next.every((each, at) => Object.is(each, this.shown[at]))) return;
    this.shown = next;
    const exact = low === high;
    this.figure.write(value !== null ? change(value) : span(low, high));
    this.limits.write(value !== null && !exact ? span(low, high, true) : "");
    this.figure.element.classList.toggle("zero", (value ?? high) === 0);
    // Growth has its zero in the middle; the others at the left.
    const signed = this.kind === "growth";
    const place = (bytes: number) => Math.max(0, Math.min(100, signed ? 50 + (bytes / scale) * 50 : (bytes / scale) * 100));
    const end = value ?? (low + high) / 2;
    put(this.box, place(Math.min(0, end)), place(Math.max(0, end)));
    put(this.whisker, place(low), place(high));
    this.bar.classList.toggle("negative", end < 0);
    this.bar.classList.toggle("exact", exact);
  }
}

function put({ style }: HTMLElement, from: number, to: number): void {
  style.left = `${from}%`;
  style.width = `${to - from}%`;
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
