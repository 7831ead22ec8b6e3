// Light and dark: the system's choice, or the reader's own, which is remembered.

const KEY = "memsnap-theme";
export type Theme = "auto" | "light" | "dark";

/** The reader's choice. */
export function chosenTheme(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "auto";
  } catch {
    return "auto"; // storage is barred, as in a sandboxed frame
  }
}

export function chooseTheme(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It holds until the page is left.
  }
  apply(theme);
}

function apply(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  window.dispatchEvent(new Event("themechange"));
}

/** Sets the theme, and follows the system where that is the choice. */
export function startTheme(): void {
  apply(chosenTheme());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(chosenTheme()));
}
