// The top of a diff: the two captures, what changed in all, and what that means.

import { h, setVar, type Child } from "../dom.ts";
import { between, bytes, change, count, duration, sentence, time } from "../format.ts";
import { command, place, pprofCommand, type Sources } from "./stack.ts";
import type { Capture, Diff, Finding } from "./model.ts";

export function summary(diff: Diff, links: { before: Child; after: Child }): HTMLElement {
  const { head } = diff;
  const [a, b] = [head.captures[0], head.captures[head.captures.length - 1]];
  const { totals } = head;
  const elapsed = head.elapsed_s === null ? "" : `${duration(head.elapsed_s)} later`;
  const cycles = a.num_gc !== null && b.num_gc !== null && b.num_gc >= a.num_gc ? `${count(b.num_gc - a.num_gc)} GC cycles` : "";
  return h(
    "section",
    { class: "summary", "aria-label": "Captures" },
    captureCard("A", a, links.before, ""),
    captureCard("B", b, links.after, [elapsed, cycles, head.captures.length > 2 ? `judged over ${count(head.captures.length)} captures` : ""].filter(Boolean).join(", ")),
    h(
      "div",
      { class: "card totals" },
      h("h2", {}, "Live heap"),
      h("p", { class: "big" }, change(totals.growth.bytes), h("span", { class: "limits" }, between(totals.growth.low_bytes, totals.growth.high_bytes, change))),
      balance(diff),
    ),
  );
}

function captureCard(letter: string, capture: Capture, link: Child, note: string): HTMLElement {
  const when = capture.time ? time(Date.parse(capture.time)) : "time unknown";
  const facts = [
    capture.heap_alloc !== null ? `heap ${bytes(capture.heap_alloc)}` : "",
    capture.rss !== null ? `RSS ${bytes(capture.rss)}` : "",
    capture.goroutines !== null ? `${count(capture.goroutines)} goroutines` : "",
  ].filter(Boolean);
  const build = [capture.go_version, capture.module_version, capture.pid !== null ? `pid ${capture.pid}` : ""].filter(Boolean);
  return h(
    "div",
    { class: "card capture" },
    h("h2", {}, h("span", { class: "letter" }, letter), when),
    note ? h("p", { class: "note" }, note) : null,
    h("p", {}, facts.join(" · ")),
    h("p", { class: "note" }, build.join(" · ")),
    h("p", { class: "note" }, capture.gc?.proven ? "behind a finished GC" : "not proven to be behind a GC"),
    link,
  );
}

/** What was there, split into what survived and died, and what is new. */
function balance(diff: Diff): HTMLElement {
  const { totals } = diff.head;
  const rows: [string, string, number, number][] = [
    ["born", "Born", totals.born.low_bytes, totals.born.high_bytes],
    ["died", "Died", totals.died.low_bytes, totals.died.high_bytes],
    ["survived", "Survived", totals.survived.low_bytes, totals.survived.high_bytes],
  ];
  const scale = Math.max(totals.before.bytes, totals.after.bytes, 1);
  return h(
    "dl",
    { class: "balance" },
    ...rows.flatMap(([kind, name, low, high]) => {
      const bar = h("span", { class: `bar ${kind}`, "aria-hidden": "true" }, h("i", { class: "fill" }), h("i", { class: "whisker" }));
      const share = (value: number) => Math.max(0, Math.min(100, (value / scale) * 100));
      setVar(bar, "--from", "0%");
      setVar(bar, "--wide", `${share((low + high) / 2)}%`);
      setVar(bar, "--low", `${share(low)}%`);
      setVar(bar, "--span", `${share(high) - share(low)}%`);
      bar.classList.toggle("exact", low === high);
      return [h("dt", {}, name), h("dd", {}, h("span", { class: "figure" }, between(low, high)), bar)];
    }),
  );
}

export function warnings(diff: Diff): Child {
  const told = [...diff.head.warnings];
  if (!told.length) return null;
  return h("section", { class: "banner warn", "aria-label": "Warnings" }, ...told.map((text) => h("p", {}, text)));
}

export function findings(diff: Diff, sources: Sources, chosen: (finding: Finding) => void): HTMLElement {
  const found = diff.head.findings;
  return h(
    "section",
    { class: "findings", "aria-label": "Findings" },
    h("h2", {}, found.length ? "Findings" : "No findings"),
    found.length
      ? null
      : h("p", { class: "empty" }, "Nothing grew beyond the sampling error. Compare captures that lie further apart: small leaks take time to show."),
    ...found.map((finding, at) => card(finding, at === 0, sources, chosen)),
  );
}

function card(finding: Finding, open: boolean, sources: Sources, chosen: (finding: Finding) => void): HTMLElement {
  const at = finding.at;
  return h(
    "details",
    { class: `finding severity-${finding.severity}`, open },
    h("summary", {}, h("span", { class: `chip severity-${finding.severity}` }, finding.severity), h("span", { class: "title" }, finding.title)),
    h(
      "div",
      { class: "finding-body" },
      ...finding.detail.map((text) => h("p", {}, sentence(text))),
      at ? h("p", { class: "code-line" }, h("code", {}, at.function), " ", h("code", { class: "place", title: at.file }, place(at))) : null,
      finding.advice ? h("p", { class: "advice" }, finding.advice) : null,
      at ? h("p", {}, h("button", { class: "quiet", onclick: () => chosen(finding) }, "Show in the table")) : null,
      at ? command(pprofCommand(sources, at.function)) : null,
    ),
  );
}
