// The switch between light and dark.

import { h } from "../dom.ts";
import { chooseTheme, chosenTheme, type Theme } from "../theme.ts";

const NAMES: Record<Theme, string> = { auto: "System", light: "Light", dark: "Dark" };

export function themeSwitch(): HTMLElement {
  const chosen = chosenTheme();
  const options = (Object.keys(NAMES) as Theme[]).map((name) => h("option", { value: name, selected: name === chosen }, NAMES[name]));
  const select = h("select", { onchange: () => chooseTheme(select.value as Theme) }, ...options);
  return h("label", { class: "theme" }, h("span", { class: "sr-only" }, "Colours"), select);
}
