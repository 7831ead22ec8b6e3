// Whether the reader may change something, and what to do where not.

import { session, type Session } from "../api.ts";
import { h, replace, type Child } from "../dom.ts";
import { tokenForm } from "./session.ts";

/** The buttons, where this session may write; else what it takes. `entered` is called after a token was taken. */
export function ifWritable(buttons: Child[], what: string, entered: () => void, signal?: AbortSignal): HTMLElement {
  const place = h("div", { class: "toolbar actions" });
  session(signal).then(
    (found) => (found.scope === "write" ? replace(place, ...buttons) : refuse(place, found, what, entered)),
    () => undefined, // the daemon is away: the view says so
  );
  return place;
}

function refuse(place: HTMLElement, found: Session, what: string, entered: () => void): void {
  if (!found.needed) {
    replace(place, h("p", { class: "note" }, `${what} is for readers on the daemon's own machine, or with a token: this daemon has none. `, h("code", {}, "memsnap token create"), " makes one for its configuration."));
    return;
  }
  const ask = h("button", { onclick: () => replace(place, tokenForm(entered, "This needs a token that may write")) }, "Enter a token");
  replace(place, h("p", { class: "note" }, `${what} needs a token that may write${found.name ? `; ${found.name} may read only` : ""}.`), ask);
}
