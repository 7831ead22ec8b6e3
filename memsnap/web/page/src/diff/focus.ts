// The focus box: a text field that completes the names of types.

import { h, replace } from "../dom.ts";
import { shortType } from "../format.ts";

const SHOWN = 8;

export function focusBox(value: string, types: () => Promise<string[]>, commit: (text: string) => void): HTMLElement {
  let options: string[] = [];
  let at = -1;
  const list = h("ul", { class: "options", role: "listbox", id: "focus-options", "aria-label": "Types", hidden: true });
  const input = h("input", {
    type: "search",
    id: "focus",
    value,
    placeholder: "Type: *http.Request, []byte, map[*",
    autocomplete: "off",
    spellcheck: "false",
    role: "combobox",
    "aria-label": "Focus on types",
    "aria-expanded": "false",
    "aria-controls": "focus-options",
    "aria-autocomplete": "list",
    oninput: () => void offer(),
    onfocus: () => void offer(),
    onblur: () => setTimeout(close, 150),
    onchange: () => take(input.value),
    onsearch: () => take(input.value),
    onkeydown: (event: KeyboardEvent) => key(event),
  });
  let taken = value;

  function take(text: string): void {
    input.value = text;
    close();
    if (text === taken) return;
    taken = text;
    commit(text);
  }

  function close(): void {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  async function offer(): Promise<void> {
    const typed = input.value.trim().toLowerCase();
    const known = await types();
    const found = known.filter((type) => type.toLowerCase().includes(typed));
    // Where the name begins with what was typed comes first.
    const rank = (type: string) => (shortType(type).toLowerCase().startsWith(typed) ? 0 : 1);
    options = found.sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
    if (document.activeElement !== input || !options.length) return close();
    at = -1;
    draw();
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  function draw(): void {
    replace(
      list,
      ...options.map((type, place) =>
        h(
          "li",
          { role: "option", id: `focus-${place}`, "aria-selected": String(place === at), title: type, onmousedown: () => take(type) },
          shortType(type),
        ),
      ),
    );
    if (at >= 0) input.setAttribute("aria-activedescendant", `focus-${at}`);
    else input.removeAttribute("aria-activedescendant");
  }

  function key(event: KeyboardEvent): void {
    if (event.key === "Escape") return close();
    if (event.key === "Enter") {
      event.preventDefault();
      return take(at >= 0 ? options[at] : input.value);
    }
    if ((event.key !== "ArrowDown" && event.key !== "ArrowUp") || list.hidden) return;
    event.preventDefault();
    at = (at + (event.key === "ArrowDown" ? 1 : options.length - 1) + options.length) % options.length;
    draw();
  }

  return h("div", { class: "combo" }, input, list);
}
