// Light and dark: the system's choice, or the reader's own, which is remembered.

import { h } from "./dom.ts";

const KEY = "memsnap-theme";
type Theme = "auto" | "light" | "dark";
const NAMES: Record<Theme, string> = { auto: "System", light: "Light", dark: "Dark" };

function stored(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "auto";
  } catch {
    return "auto"; // storage is barred, as in a sandboxed frame
  }
}

function apply(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  window.dispatchEvent(new Event("themechange"));
}

/** Sets the theme, and follows the system where that is the choice. */
export function startTheme(): void {
  apply(stored());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(stored()));
}

/** The switch. */
export function themeSwitch(): HTMLElement {
  const chosen = stored();
  return h(
    "label",
    { class: "theme" },
    h("span", { class: "sr-only" }, "Colours"),
    h(
      "select",
      {
        onchange: (event: Event) => {
          const theme = (event.target as HTMLSelectElement).value as Theme;
          try {
            localStorage.setItem(KEY, theme);
          } catch {
            // It holds until the page is left.
          }
          apply(theme);
        },
      },
      ...(Object.keys(NAMES) as Theme[]).map((name) =>
        h("option", { value: name, selected: name === chosen }, NAMES[name]),
      ),
    ),
  );
}
