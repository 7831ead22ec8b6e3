// What holds the live heap of a target over time: a stacked area by type, line, function or package.

import { get, type Timeline, type TopSeries } from "../api.ts";
import { LAYERS, layerName, layers, MOST_LAYERS, type LayerBy } from "../charts/course.ts";
import { SeriesChart, type Picked } from "../charts/series.ts";
import { h, replace } from "../dom.ts";
import { count } from "../format.ts";
import { href, keep, route } from "../state.ts";
import { trouble } from "./shell.ts";

export interface LayerEvents {
  brushed(from: number, until: number): void;
  clicked(at: number): void;
}

export class Layers {
  readonly element = h("section", { class: "layers", "aria-label": "What holds the live heap" });
  private readonly links = h("p", { class: "layer-links" });
  private readonly note = h("p", { class: "note" });
  private readonly place = h("div", {});
  private by: LayerBy | null = LAYERS.find((each) => each === route().query.get("layers")) ?? null;
  private chart: SeriesChart | null = null;
  private top: TopSeries | null = null;
  private since = "";
  private timeline: Timeline = { lives: [], findings: [] };
  private ends: { a: number; b: number } | null = null;
  private picked: Picked = { a: null, b: null };

  constructor(
    private readonly target: number,
    private readonly events: LayerEvents,
    private readonly signal: AbortSignal,
  ) {
    replace(this.element, this.head(), this.place, this.note, this.links);
  }

  /** Reads the captures since a moment such as `-24h`. */
  async load(since: string, timeline: Timeline): Promise<void> {
    Object.assign(this, { since, timeline });
    try {
      this.top = await this.ask(this.by ?? "type");
      if (!this.by && !this.top.typed) this.top = await this.ask("function");
      this.draw(this.top);
    } catch (error) {
      if (!this.signal.aborted && !this.chart) replace(this.place, trouble(error, () => void this.load(since, timeline)));
    }
  }

  /** Marks A and B, in seconds, and what compares them. */
  pick(picked: Picked, ends: { a: number; b: number }): void {
    Object.assign(this, { ends, picked });
    this.chart?.pick(picked);
    this.link();
  }

  stop(): void {
    this.chart?.stop();
  }

  private head(): HTMLElement {
    const tabs = LAYERS.map((by) =>
      h("button", { class: "tab", "data-layer": by, onclick: () => this.choose(by) }, by[0].toUpperCase() + by.slice(1)),
    );
    return h("div", { class: "toolbar" }, h("h2", {}, "Live heap by"), h("div", { class: "tabs", role: "group", "aria-label": "Live heap by" }, ...tabs));
  }

  private choose(by: LayerBy): void {
    this.by = by;
    keep({ layers: by });
    void this.load(this.since, this.timeline);
  }

  private ask(by: LayerBy): Promise<TopSeries> {
    return get<TopSeries>(`api/v1/targets/${this.target}/series/top`, { by, since: this.since, limit: MOST_LAYERS }, this.signal);
  }

  private draw(top: TopSeries): void {
    for (const tab of this.element.querySelectorAll<HTMLElement>("[data-layer]")) tab.setAttribute("aria-pressed", String(tab.dataset.layer === top.by));
    const input = layers(top, this.timeline);
    if (!this.chart) {
      this.chart = new SeriesChart(input, this.events.brushed, this.events.clicked);
      replace(this.place, this.chart.element);
      this.chart.pick(this.picked);
    } else this.chart.update(input);
    const thinned = top.captures > top.slot_ns.length ? `${count(top.slot_ns.length)} of ${count(top.captures)} captures are shown.` : "";
    const untyped = top.typed ? "" : "These captures carry no types: name the executable (exe in the configuration), or capture on the service's own machine.";
    this.note.textContent = [top.by === "type" || !this.by ? untyped : "", thinned].filter(Boolean).join(" ");
    this.link();
  }

  /** Each layer, as the diff of A and B that is about it alone. */
  private link(): void {
    const { top, ends } = this;
    if (!top || !ends || ends.a === ends.b || !top.items.length) return this.links.replaceChildren();
    const filter = (name: string) => (top.by === "type" ? { focus: name } : { search: name });
    replace(
      this.links,
      h("span", { class: "note" }, "A and B on one of them: "),
      ...top.items.map(({ name }, at) => h("a", { class: "chip", title: name, href: href("diff", { ...ends, ...filter(name) }) }, layerName(top, at))),
    );
  }
}
