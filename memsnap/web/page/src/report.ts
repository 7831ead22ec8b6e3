// A single file with one diff, its data beside it.

import { h, replace } from "./dom.ts";
import { typeFilter } from "./diff/filter.ts";
import { Diff, type DiffDocument } from "./diff/model.ts";
import { narrowed } from "./diff/narrow.ts";
import { DiffView } from "./diff/view.ts";
import { startTheme } from "./theme.ts";
import { themeSwitch } from "./views/colours.ts";
import { helpButton, startKeys } from "./views/help.ts";

/** The data beside the script: JSON, gzip-compressed, in base64. */
async function data(): Promise<DiffDocument> {
  const text = atob(document.getElementById("report")!.textContent!.trim());
  const packed = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) packed[at] = text.charCodeAt(at);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).json()) as DiffDocument;
}

async function start(place: HTMLElement): Promise<void> {
  const whole = new Diff(await data());
  const [before] = whole.head.captures;
  const after = whole.head.captures[whole.head.captures.length - 1];
  const types = whole.table("type").type.map((at) => whole.text(at)).filter(Boolean);
  const view = new DiffView({
    load: async (focus) => (focus ? narrowed(whole, typeFilter(focus)) : whole),
    types: async () => types,
    sources: { before: before.name, after: after.name },
    links: { before: null, after: null },
  });
  const name = after.service || after.target || "two captures";
  document.title = `memsnap: ${name}`;
  replace(
    place,
    h("header", { class: "top-bar" }, h("span", { class: "brand" }, "memsnap"), h("span", { class: "where" }, name), h("span", { class: "spring" }), themeSwitch(), helpButton()),
    h("main", {}, h("h1", { class: "sr-only" }, `Diff of ${name}`), view.element),
  );
  startKeys();
  await view.load();
  await view.show();
}

startTheme();
const place = document.getElementById("app")!;
replace(place, h("p", { class: "loading", role: "status" }, "Reading the report…"));
start(place).catch((error: unknown) => replace(place, h("p", { class: "loading", role: "alert" }, `This report cannot be shown: ${error instanceof Error ? error.message : String(error)}. The file may be cut off; or the browser is older than 2023.`)));
