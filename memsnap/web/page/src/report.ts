// A single file with one diff, its data beside it.

import { h } from "./dom.ts";
import { typeFilter } from "./diff/filter.ts";
import { Diff, type DiffDocument } from "./diff/model.ts";
import { narrowed } from "./diff/narrow.ts";
import { DiffView } from "./diff/view.ts";
import { startTheme } from "./theme.ts";
import { themeSwitch } from "./views/colours.ts";

startTheme();
const whole = new Diff(JSON.parse(document.getElementById("report")!.textContent!) as DiffDocument);
const [before] = whole.head.captures;
const after = whole.head.captures[whole.head.captures.length - 1];
const types = whole.table("type").type.map((place) => whole.text(place)).filter(Boolean);
const view = new DiffView({
  load: async (focus) => (focus ? narrowed(whole, typeFilter(focus)) : whole),
  types: async () => types,
  sources: { before: before.name, after: after.name },
  links: { before: null, after: null },
});
const name = after.service || after.target || "two captures";
document.title = `memsnap: ${name}`;
document.getElementById("app")!.append(
  h("header", { class: "bar" }, h("span", { class: "brand" }, "memsnap"), h("span", { class: "where" }, name), h("span", { class: "spring" }), themeSwitch()),
  h("main", {}, h("h1", { class: "sr-only" }, `Diff of ${name}`), view.element),
);
void view.start();
