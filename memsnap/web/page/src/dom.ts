// Elements out of code: texts always become text nodes, so that no name can become markup.

export type Child = Node | string | number | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: any) => void)>;

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, `on...` listeners, and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  return fill(document.createElementNS(SVG, tag) as SVGElement, attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

/** Adds children; what is null or false is left out. */
export function append(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(typeof child === "number" ? String(child) : child);
  }
}

/** Puts children in the place of those there are. */
export function replace(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  append(parent, children);
}

/** The same, where news change what is shown: the link or button that has the focus keeps it. */
export function renew(parent: Element, ...children: Child[]): void {
  const held = parent.contains(document.activeElement) ? document.activeElement : null;
  replace(parent, ...children);
  if (!held) return;
  const same = (each: Element) => each.getAttribute("href") === held.getAttribute("href") && each.textContent === held.textContent;
  Array.from(parent.querySelectorAll<HTMLElement>(held.tagName)).find(same)?.focus({ preventScroll: true });
}

/** A custom property, by CSSOM: style attributes are barred by the page's policy. */
export function setVar(element: HTMLElement | SVGElement, name: string, value: string): void {
  element.style.setProperty(name, value);
}

const probe = document.createElement("i");
const colours = new Map<string, string>();
window.addEventListener("themechange", () => colours.clear());

/** A colour of the current theme as canvases take it: a custom property holds both themes'. */
export function colour(name: string): string {
  let found = colours.get(name);
  if (found === undefined) {
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    if (!probe.isConnected) document.body.append(probe);
    found = getComputedStyle(probe).color;
    colours.set(name, found);
  }
  return found;
}

/** The fonts of the theme. */
export function font(pixels: number): string {
  return `${pixels}px ${getComputedStyle(document.documentElement).getPropertyValue("--sans").trim()}`;
}

/** Text for screen readers only. */
export function hidden(text: string): HTMLElement {
  return h("span", { class: "sr-only" }, text);
}

let announcer: HTMLElement | null = null;

/** Says something to screen readers, politely. */
export function announce(text: string): void {
  announcer ??= document.body.appendChild(h("div", { class: "sr-only", "aria-live": "polite", role: "status" }));
  announcer.textContent = text;
}

/**
 * Calls `run` soon after news, however many come: once in `leastMs`, and less often where it takes
 * long, so that a page on a busy daemon asks a fifth of the time at most.
 */
export function paced(run: () => Promise<void>, leastMs: number): () => void {
  let timer = 0;
  let tookMs = 0;
  return () => {
    timer ||= window.setTimeout(() => {
      timer = 0;
      const begun = performance.now();
      void run().finally(() => (tookMs = performance.now() - begun));
    }, Math.max(leastMs, 5 * tookMs));
  };
}

/** Calls `run` once, `ms` after the last call. */
export function debounce<A extends unknown[]>(run: (...values: A) => void, ms: number): (...values: A) => void {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => run(...values), ms);
  };
}
