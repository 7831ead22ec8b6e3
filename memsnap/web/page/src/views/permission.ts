// Whether the reader may change something, and what to do where not.

import { session, type Session } from "../api.ts";
import { h, replace, type Child } from "../dom.ts";
import { tokenForm } from "./session.ts";

/** The buttons, where this session may write; else what it takes, which can be given on the spot. */
export function ifWritable(buttons: Child[], what: string, signal?: AbortSignal): HTMLElement {
  const place = h("div", { class: "toolbar actions" });
  const fill = () =>
    session(signal).then(
      (found) => (found.scope === "write" ? replace(place, ...buttons) : refuse(place, found, what, fill)),
      () => undefined, // the daemon is away: the view says so
    );
  void fill();
  return place;
}

function refuse(place: HTMLElement, found: Session, what: string, again: () => Promise<void>): void {
  if (!found.needed) {
    replace(place, h("p", { class: "note" }, `${what} is for readers on the daemon's own machine, or with a token: this daemon has none. `, h("code", {}, "memsnap token create"), " makes one for its configuration."));
    return;
  }
  const ask = h("button", { onclick: () => replace(place, tokenForm(() => void again(), "This needs a token that may write")) }, "Enter a token");
  replace(place, h("p", { class: "note" }, `${what} needs a token that may write${found.name ? `; ${found.name} may read only` : ""}.`), ask);
}
