// The form for a token, where the daemon lets nobody in without one.

import { post, Problem } from "../api.ts";
import { h, replace } from "../dom.ts";

/** Asks for a token; `entered` is called once the daemon has taken it and set its cookie. */
export function tokenForm(entered: () => void, title = "This daemon asks for a token"): HTMLElement {
  const said = h("p", { class: "error", role: "alert" });
  const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  async function send(event: Event): Promise<void> {
    event.preventDefault();
    try {
      await post("api/v1/session", {}, input.value.trim());
      entered();
    } catch (error) {
      replace(said, error instanceof Problem ? `${error.detail} ${error.hint}` : String(error));
    }
  }
  return h(
    "form",
    { class: "card empty-state", onsubmit: (event: Event) => void send(event) },
    h("h2", {}, title),
    h("p", {}, "Whoever runs it can make one: ", h("code", {}, "memsnap token create"), ". It stays in this browser as a cookie that scripts cannot read, for 12 hours."),
    h("p", {}, h("label", { for: "token" }, "Token "), input, " ", h("button", { type: "submit" }, "Go on")),
    said,
  );
}
