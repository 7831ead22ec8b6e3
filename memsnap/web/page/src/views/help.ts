// What the keys do: `?` tells, `/` goes to the search of the view.

import { h } from "../dom.ts";

const KEYS: [string, [string, string][]][] = [
  ["Everywhere", [["?", "this help"], ["/", "to the search of the view"], ["Tab", "from part to part"]]],
  ["Table of a diff", [["↑ ↓", "choose a row"], ["Page Up, Page Down", "further"], ["Home, End", "first, last"]]],
  ["Flame graph", [["← →", "to the box beside"], ["↑ ↓", "to the caller, to the largest callee"], ["Enter", "zoom"], ["Esc", "show all"]]],
  ["Focus box", [["↓ ↑", "choose a type"], ["Enter", "take it"], ["Esc", "close the list"]]],
];

const dialog = h(
  "dialog",
  { class: "help", "aria-labelledby": "help-title" },
  h("div", { class: "toolbar" }, h("h2", { id: "help-title" }, "Keys"), h("span", { class: "spring" }), h("button", { onclick: () => dialog.close() }, "Close")),
  ...KEYS.flatMap(([place, keys]) => [h("h3", {}, place), h("dl", { class: "facts" }, ...keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]))]),
  h("p", { class: "note" }, "Charts: the lists above them choose A and B without a pointer."),
);

/** The button that opens the help. */
export function helpButton(): HTMLElement {
  return h("button", { class: "quiet help-button", "aria-label": "Keys", title: "Keys (?)", onclick: open }, "?");
}

/** Listens for `?` and `/`, which mean themselves where text is entered. */
export function startKeys(): void {
  document.body.append(dialog);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  window.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
    if (event.key === "?") open();
    else if (event.key === "/") document.querySelector<HTMLElement>("main input[type=search]")?.focus();
    else return;
    event.preventDefault();
  });
}

function open(): void {
  if (!dialog.open) dialog.showModal();
}
