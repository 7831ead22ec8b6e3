// What all views share: the bar above, the place below it, and how errors look.

import { h, replace, type Child } from "../dom.ts";
import { Problem } from "../api.ts";
import { themeSwitch } from "./colours.ts";
import { helpButton, startKeys } from "./help.ts";
import { tokenForm } from "./session.ts";

/** A view in the making: what to show, and what to stop when another takes its place. */
export interface View {
  element: HTMLElement;
  stop?(): void;
  /** There is news of a target, or of any where it is null. */
  refresh?(target: number | null): void;
}

const where = h("nav", { class: "where", "aria-label": "Place" });
export const live = h("span", { class: "live", role: "status" });
const main = h("main", { id: "main", tabindex: -1 });

export function mount(root: HTMLElement): void {
  root.append(
    h("a", { class: "skip", href: "#main", onclick: (event: Event) => (event.preventDefault(), main.focus()) }, "Skip to content"),
    h(
      "header",
      { class: "top-bar" },
      h("a", { class: "brand", href: "#/" }, "memsnap"),
      where,
      h("span", { class: "spring" }),
      h("a", { class: "nav", href: "#/findings" }, "Findings"),
      live,
      themeSwitch(),
      helpButton(),
    ),
    main,
  );
  startKeys();
}

/** Names the place in the bar and in the window's title; the last crumb is the current one. */
export function setPlace(...crumbs: [string, string][]): void {
  replace(
    where,
    ...crumbs.map(([text, link], at) =>
      h("span", { class: "crumb" }, h("span", { class: "slash", "aria-hidden": "true" }, "/"), at === crumbs.length - 1 ? h("span", { "aria-current": "page" }, text) : h("a", { href: link }, text)),
    ),
  );
  document.title = ["memsnap", ...crumbs.map(([text]) => text)].reverse().join(" · ");
}

export function put(element: HTMLElement): void {
  replace(main, element);
}

/** What went wrong and what to do. */
export function trouble(error: unknown, again?: () => void): HTMLElement {
  const problem = error instanceof Problem ? error : null;
  if (problem?.status === 401) return tokenForm(() => location.reload());
  const message = error instanceof Error ? error.message : String(error);
  return h(
    "div",
    { class: "card trouble", role: "alert" },
    h("h2", {}, problem ? problem.title : "The page has a problem"),
    h("p", {}, message.endsWith(".") ? message : `${message}.`),
    problem?.hint ? h("p", { class: "note" }, problem.hint) : null,
    again ? h("button", { onclick: again }, "Try again") : null,
  );
}

export function empty(title: string, ...children: Child[]): HTMLElement {
  return h("div", { class: "card empty-state" }, h("h2", {}, title), ...children);
}

export function loading(text: string): HTMLElement {
  return h("p", { class: "loading", role: "status" }, text);
}
