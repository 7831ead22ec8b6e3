// All that a view shows is in the URL's fragment: `#/targets/3?a=17&b=42&by=type`.

export interface Route {
  path: string[];
  query: URLSearchParams;
}

export function route(): Route {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a mistyped link: no view has this name
  }
}

/** The link to a view; empty parameters are left out. */
export function href(path: string, query: Record<string, string | number | null | undefined> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

/** Changes parameters of the current view in place: going back leaves the view. */
export function keep(changes: Record<string, string | number | null | undefined>): void {
  const { path, query } = route();
  const all = { ...Object.fromEntries(query), ...changes };
  history.replaceState(null, "", href(path.map(encodeURIComponent).join("/"), all));
}

/** Goes to a view, with an entry in the history. */
export function go(link: string): void {
  location.hash = link;
}
