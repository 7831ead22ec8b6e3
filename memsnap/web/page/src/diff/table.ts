// The table of a diff: only the rows in sight are elements, however many there are.

import { h, setVar } from "../dom.ts";
import type { Diff, Grouping, SortKey } from "./model.ts";
import { Row, type Content } from "./row.ts";

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
  private content: Content | null = null;
  private frame = 0;
  private height = 54; // of a row, CSS pixels
  private seen = 600; // height of what is in sight

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
      this.seen = this.scroller.clientHeight;
      this.place();
      this.redraw();
    }).observe(this.scroller);
  }

  /** Shows rows of a table in this order. */
  show(diff: Diff, by: Grouping, rows: Uint32Array, sort: { key: SortKey; descending: boolean }): void {
    const table = diff.table(by);
    const scale = rows.reduce((most, row) => Math.max(most, table.before_bytes[row], table.after_bytes[row]), 1);
    this.rows = rows;
    this.content = { diff, by, table, scale };
    this.at = -1;
    this.head.replaceChildren(...this.headers(by, sort));
    this.place();
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

  private headers(by: Grouping, sort: { key: SortKey; descending: boolean }): HTMLElement[] {
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
    return [header("name", by[0].toUpperCase() + by.slice(1), "By name", "what"), verdict, ...COLUMNS.map(([key, text, title]) => header(key, text, title, `number ${key}-cell`))];
  }

  private redraw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  /** Makes room for all rows. */
  private place(): void {
    setVar(this.space, "height", `${this.rows.length * this.height}px`);
  }

  /** A row element stands for every so-manieth row: scrolling fills those alone that came into sight. */
  private draw(): void {
    const { content, height, rows } = this;
    if (!content) return;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - SPARE);
    const last = Math.min(rows.length, first + Math.ceil(this.seen / height) + 2 * SPARE);
    this.stock(Math.ceil(this.seen / height) + 2 * SPARE);
    for (let place = first; place < last; place += 1) {
      this.pool[place % this.pool.length].show(content, rows[place], place, height);
    }
    for (const row of this.pool) {
      row.hide(row.place < first || row.place >= last);
      row.select(row.place === this.at);
    }
    if (this.at >= first && this.at < last) this.scroller.setAttribute("aria-activedescendant", `row-${this.at}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  private stock(wanted: number): void {
    if (this.pool.length >= wanted) return;
    const more = Array.from({ length: wanted - this.pool.length }, () => new Row((place) => this.choose(place)));
    this.pool.push(...more);
    this.body.append(...more.map((row) => row.element));
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
    const page = Math.max(1, Math.floor(this.seen / this.height) - 2);
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
