// The diff view: findings, table, stack and flame graph, in step with each other and with the URL.

import { announce, append, debounce, h, replace, type Child } from "../dom.ts";
import { count, plural } from "../format.ts";
import { keep, route } from "../state.ts";
import { FlameGraph } from "./flame.ts";
import { focusBox } from "./focus.ts";
import { findings, summary, warnings } from "./head.ts";
import { boxAt, isUnder, layOut, pathOf, waysTo, type Direction, type Flame } from "./layout.ts";
import { GROUPINGS, ordered, type Diff, type Finding, type Grouping, type SortKey } from "./model.ts";
import { fillStack, type Sources } from "./stack.ts";
import { DiffTable } from "./table.ts";

export interface DiffInput {
  /** The diff of the captures with this focus. */
  load(focus: string): Promise<Diff>;
  /** The types that the captures have, whatever the focus. */
  types(): Promise<string[]>;
  sources: Sources;
  links: { before: Child; after: Child };
}

const SORTS: SortKey[] = ["confidence", "growth", "before", "after", "born", "died", "survived", "name"];

interface State {
  by: Grouping;
  sort: SortKey;
  descending: boolean;
  focus: string;
  words: string;
  find: string;
  direction: Direction;
  zoom: string[];
  row: number;
}

function read(): State {
  const { query } = route();
  const by = query.get("by") as Grouping;
  const sort = query.get("sort") as SortKey;
  return {
    by: GROUPINGS.includes(by) ? by : "site",
    sort: SORTS.includes(sort) ? sort : "confidence",
    descending: query.get("order") !== "up",
    focus: query.get("focus") ?? "",
    words: query.get("search") ?? "",
    find: query.get("find") ?? "",
    direction: query.get("icicle") === "up" ? "up" : "down",
    zoom: (query.get("zoom") ?? "").split("\n").filter(Boolean),
    row: query.has("row") ? Number(query.get("row")) : -1,
  };
}

export class DiffView {
  readonly element = h("div", { class: "diff" });
  private readonly state = read();
  private diff!: Diff;
  private flame!: Flame;
  private box = 0;
  private readonly top = h("div", { class: "diff-top" });
  private readonly panel = h("aside", { class: "card stack", "aria-label": "Stack" });
  private readonly shown = h("p", { class: "note shown", role: "status" });
  private readonly matched = h("span", { class: "note", role: "status" });
  private readonly crumbs = h("nav", { class: "crumbs", "aria-label": "Zoom" });
  private readonly table = new DiffTable({ selected: (row) => this.choose(row), sorted: (key) => this.sortBy(key) });
  private readonly graph = new FlameGraph(() => this.diff, {
    zoomed: (box) => this.zoomed(box),
    chosen: () => undefined,
  });

  constructor(private readonly input: DiffInput) {}

  async load(): Promise<void> {
    this.diff = await this.input.load(this.state.focus);
  }

  /** Shows what was loaded: the table at once, the flame graph with the next frame. */
  async show(): Promise<void> {
    this.fillTop();
    replace(
      this.element,
      this.top,
      h("section", { class: "what-changed", "aria-label": "What changed" }, this.toolbar(), this.shown, h("div", { class: "split" }, this.table.element, this.panel)),
      h("section", { class: "flame-section", "aria-label": "Flame graph" }, this.flameBar(), this.graph.element, legend()),
    );
    const row = this.state.row;
    if (!this.state.zoom.length) {
      this.fillTable();
      await new Promise(requestAnimationFrame);
      this.layOut();
    } else {
      this.layOut();
      this.fillTable();
    }
    if (row >= 0 && row < this.diff.table(this.state.by).node.length) {
      this.choose(row);
      this.table.select(row);
    }
    this.find(this.state.find);
    // After the drawing, which waits for the next frame.
    requestAnimationFrame(() => setTimeout(() => performance.mark("shown")));
  }

  private fillTop(): void {
    const { links, sources } = this.input;
    this.top.replaceChildren();
    append(this.top, [warnings(this.diff), findings(this.diff, sources, (finding) => this.point(finding)), summary(this.diff, links)]);
  }

  private toolbar(): HTMLElement {
    const { state } = this;
    return h(
      "div",
      { class: "toolbar" },
      h(
        "div",
        { class: "tabs", role: "group", "aria-label": "Group by" },
        ...GROUPINGS.map((by) =>
          h("button", { class: "tab", "aria-pressed": String(by === state.by), "data-by": by, onclick: () => this.group(by) }, by[0].toUpperCase() + by.slice(1)),
        ),
      ),
      focusBox(state.focus, () => this.input.types(), (text) => void this.focus(text)),
      h("input", {
        type: "search",
        value: state.words,
        placeholder: "Filter rows",
        "aria-label": "Filter rows by type, function, file or package",
        oninput: debounce((event: Event) => this.filter((event.target as HTMLInputElement).value), 120),
      }),
    );
  }

  private flameBar(): HTMLElement {
    const { state } = this;
    const way = (direction: Direction, text: string, title: string) =>
      h("button", { class: "tab", title, "data-way": direction, "aria-pressed": String(direction === state.direction), onclick: () => this.turn(direction) }, text);
    return h(
      "div",
      { class: "toolbar" },
      h("h2", {}, "Flame graph"),
      h("div", { class: "tabs", role: "group", "aria-label": "Direction" }, way("down", "Callers first", "From main down to what allocates"), way("up", "Allocators first", "From what allocates up to main")),
      h("input", {
        type: "search",
        value: state.find,
        placeholder: "Find function",
        "aria-label": "Find functions in the flame graph",
        oninput: debounce((event: Event) => this.find((event.target as HTMLInputElement).value), 120),
      }),
      this.matched,
      this.crumbs,
      h("button", { class: "quiet", onclick: () => this.zoomed(0, true) }, "Show all"),
    );
  }

  private layOut(): void {
    const begun = performance.now();
    this.flame = layOut(this.diff, this.state.direction, () => true);
    this.graph.element.dataset.layoutMs = (performance.now() - begun).toFixed(0);
    this.box = boxAt(this.diff, this.flame, this.state.zoom);
    this.graph.show(this.flame, this.box);
    this.crumb();
  }

  private fillTable(): void {
    const { state, diff } = this;
    let rows = ordered(diff, state.by, state.sort, state.descending, state.words);
    if (this.box) rows = this.underBox(rows);
    this.table.show(diff, state.by, rows, { key: state.sort, descending: state.descending });
    const all = diff.table(state.by).node.length;
    const word = state.by === "type" ? "type" : state.by;
    this.shown.textContent =
      rows.length === all ? plural(all, word) : `${count(rows.length)} of ${plural(all, word)}${this.box ? ", those of the zoomed box" : ""}`;
    state.row = -1;
    fillStack(this.panel, diff, state.by, -1, this.input.sources);
  }

  /** The rows with a site under the zoomed box. */
  private underBox(rows: Uint32Array): Uint32Array {
    const { by } = this.state;
    const sites = this.diff.table("site");
    const inside = Array.from(sites.node.keys()).filter((site) => isUnder(this.flame, site, this.box));
    if (by === "site") {
      const kept = new Set(inside);
      return rows.filter((row) => kept.has(row));
    }
    const table = this.diff.table(by);
    const key = (from: typeof table, row: number) =>
      by === "line" ? `${from.function[row]} ${from.file[row]} ${from.line[row]}` : String(from[by][row]);
    const kept = new Set(inside.map((site) => key(sites, site)));
    return rows.filter((row) => kept.has(key(table, row)));
  }

  private choose(row: number): void {
    this.state.row = row;
    keep({ row });
    fillStack(this.panel, this.diff, this.state.by, row, this.input.sources);
    this.graph.light(waysTo(this.flame, this.diff.sitesOf(this.state.by, row)));
  }

  private group(by: Grouping): void {
    this.state.by = by;
    keep({ by: by === "site" ? null : by, row: null });
    this.press("[data-by]", (button) => button.dataset.by === by);
    this.graph.light(null);
    this.fillTable();
  }

  private sortBy(key: SortKey): void {
    const { state } = this;
    state.descending = state.sort === key ? !state.descending : key !== "name";
    state.sort = key;
    keep({ sort: key === "confidence" ? null : key, order: state.descending ? null : "up", row: null });
    this.fillTable();
    this.graph.light(null);
  }

  private filter(words: string): void {
    this.state.words = words;
    keep({ search: words, row: null });
    this.fillTable();
  }

  private async focus(focus: string): Promise<void> {
    try {
      this.element.classList.add("busy");
      this.diff = await this.input.load(focus);
    } catch (error) {
      const hint = error instanceof Error && "hint" in error ? ` ${String(error.hint)}` : "";
      this.shown.textContent = error instanceof Error ? `${error.message}.${hint}` : String(error);
      this.shown.classList.add("error");
      return;
    } finally {
      this.element.classList.remove("busy");
    }
    this.shown.classList.remove("error");
    this.state.focus = focus;
    this.state.zoom = [];
    keep({ focus, zoom: null, row: null });
    this.layOut();
    this.fillTable();
    this.fillTop();
    announce(`${plural(this.diff.table(this.state.by).node.length, "row")} with this focus`);
  }

  private turn(direction: Direction): void {
    this.state.direction = direction;
    this.state.zoom = [];
    keep({ icicle: direction === "up" ? "up" : null, zoom: null });
    this.press("[data-way]", (button) => button.dataset.way === direction);
    this.layOut();
    this.find(this.state.find);
    this.fillTable();
  }

  private find(words: string): void {
    this.state.find = words;
    keep({ find: words });
    const share = this.graph.search(words);
    this.matched.textContent = share === null ? "" : `${(100 * share).toLocaleString(undefined, { maximumFractionDigits: 1 })} % found`;
  }

  private zoomed(box: number, tell = false): void {
    this.box = box;
    if (tell) this.graph.zoomTo(box);
    this.state.zoom = pathOf(this.diff, this.flame, box);
    keep({ zoom: this.state.zoom.join("\n"), row: null });
    this.graph.light(null);
    this.crumb();
    this.fillTable();
  }

  private crumb(): void {
    const names = this.state.zoom;
    replace(
      this.crumbs,
      ...(names.length ? [h("span", { class: "note" }, "Zoomed to "), h("code", {}, names[names.length - 1])] : []),
    );
  }

  /** Brings the row of a finding's line into sight. */
  private point(finding: Finding): void {
    const { diff } = this;
    this.group("line");
    const table = diff.table("line");
    const at = finding.at!;
    const row = table.node.findIndex((_, place) => {
      const stack = diff.stack(table.node[place]);
      return stack.some((frame) => frame.function === at.function && frame.file === at.file && frame.line === at.line);
    });
    if (row < 0) return;
    this.choose(row);
    this.table.select(row);
    this.table.element.scrollIntoView({ block: "nearest" });
    this.table.element.focus();
  }

  private press(buttons: string, pressed: (button: HTMLElement) => boolean): void {
    for (const button of this.element.querySelectorAll<HTMLElement>(buttons)) button.setAttribute("aria-pressed", String(pressed(button)));
  }
}

function legend(): HTMLElement {
  const step = (kind: string) => h("i", { class: kind });
  return h(
    "p",
    { class: "legend" },
    h("span", {}, "all died"),
    h("span", { class: "ramp", "aria-hidden": "true" }, ...[4, 3, 2, 1].map((at) => step(`shrunk-${at}`)), step("flame-same"), ...[1, 2, 3, 4].map((at) => step(`grown-${at}`))),
    h("span", {}, "all new"),
    h("span", { class: "note" }, "A box is as wide as the larger of what it held in A and in B."),
  );
}
