// The panel beside the table: the whole stack of a row, and how to go on in a terminal.

import { announce, h, replace, type Child } from "../dom.ts";
import { between, bytes, change, count, shortFile } from "../format.ts";
import { growth, type Diff, type Frame, type Grouping } from "./model.ts";

/** Where the captures of a diff can be had, as `go tool pprof` takes them. */
export interface Sources {
  before: string;
  after: string;
}

export function fillStack(panel: HTMLElement, diff: Diff, by: Grouping, row: number, sources: Sources): void {
  if (row < 0) {
    replace(panel, h("h2", {}, "Stack"), h("p", { class: "empty" }, "Choose a row to see its stack and how to look at it with pprof."));
    return;
  }
  const table = diff.table(by);
  const full = diff.name(by, table, row);
  const type = diff.text(table.type[row]);
  const facts: [string, Child][] = [
    ["Growth", `${change(growth(table, row))} (${between(table.low_bytes[row], table.high_bytes[row], change)})`],
    ["Objects", `${count(table.before_objects[row])} before, ${count(table.after_objects[row])} after`],
    ["Survived", between(table.survived_low_bytes[row], table.survived_high_bytes[row])],
  ];
  if (table.allocated_bytes) facts.push(["Allocated", bytes(table.allocated_bytes[row])]);
  if (type && by !== "type") facts.unshift(["Type", h("code", {}, type)]);
  facts.push(["Rests on", `${count(table.samples[row])} sampled objects`]);
  const frames = diff.stack(table.node[row]);
  replace(
    panel,
    h("h2", {}, "Stack"),
    h("p", { class: "panel-name" }, h("code", {}, full)),
    h("dl", { class: "facts" }, ...facts.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
    by !== "site" && table.buckets[row] > 1
      ? h("p", { class: "note" }, `The stack of the largest of ${count(table.buckets[row])} sites:`)
      : null,
    frames.length ? h("ol", { class: "frames" }, ...frames.map(frameItem)) : h("p", { class: "empty" }, "The profile has no stack for it."),
    h("h3", {}, "In a terminal"),
    command(pprofCommand(sources, by === "type" || by === "package" ? "" : full)),
  );
}

function frameItem(frame: Frame): HTMLElement {
  return h("li", {}, h("code", { class: "function" }, frame.function || "unknown"), h("span", { class: "place", title: frame.file }, place(frame)));
}

export function place(frame: Frame): string {
  return frame.file ? shortFile(frame.file) + (frame.line ? `:${frame.line}` : "") : "";
}

/** `go tool pprof` on both captures, on one function. */
export function pprofCommand(sources: Sources, name: string): string {
  const focus = name ? ` -focus=${quote(`^${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`)}` : "";
  return `go tool pprof -top -sample_index=inuse_space -diff_base=${quote(sources.before)}${focus} ${quote(sources.after)}`;
}

/** A word that a POSIX shell reads as it stands. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A command with a button that copies it. */
export function command(text: string): HTMLElement {
  const button = h("button", { class: "copy", onclick: () => void copy() }, "Copy");
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      announce("Copied");
    } catch {
      // Browsers refuse outside of secure contexts: then the reader copies by hand.
      getSelection()?.selectAllChildren(shown);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
  const shown = h("code", {}, text);
  return h("div", { class: "command" }, h("pre", { tabindex: 0 }, shown), button);
}
