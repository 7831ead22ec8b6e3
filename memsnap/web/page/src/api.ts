// What the daemon answers, and how it is asked.

/** A target's record, as `/api/v1/targets` gives it. Times are nanoseconds since 1970. */
export interface Target {
  id: number;
  seen: { key: string; address: string; service: string; source: string; labels: [string, string][] };
  first_seen_ns: number;
  last_seen_ns: number;
  retired_ns: number | null;
  snapshots: number;
  last_slot_ns: number | null;
  last_failure: string;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** A target's captures in columns, by slot. */
export interface Series {
  slot_ns: number[];
  snapshot_id: number[];
  process_id: number[];
  columns: { name: string; unit: string; values: (number | null)[] }[];
}

export interface Course {
  target_id: number;
  slot_ns: number[];
  process_id: number[];
  heap_alloc: (number | null)[];
  rss: (number | null)[];
}

export interface Overview {
  since_ns: number;
  until_ns: number;
  courses: Course[];
}

export interface Failure {
  slot: { target_id: number; at_ns: number; reason: string };
  at_ns: number;
  cause: string;
  message: string;
}

/** What went wrong, with what to try next: RFC 9457 where the daemon could still answer. */
export class Problem extends Error {
  constructor(
    readonly title: string,
    readonly detail: string,
    readonly hint: string,
    readonly status: number,
  ) {
    super(detail);
  }
}

type Parameters = Record<string, string | number | string[] | null | undefined>;

function url(path: string, parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) query.append(name, String(each));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem("No answer", "The daemon does not answer.", "Check that memsnap serve is running.", 0);
  }
  if (answer.ok) return answer;
  const document = await answer.json().catch(() => ({}));
  throw new Problem(
    document.title || `Status ${answer.status}`,
    document.detail || `The daemon answered ${answer.status} to ${path}.`,
    document.hint || "",
    answer.status,
  );
}

/** JSON of the daemon; raises Problem. */
export async function get<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  const answer = await ask(url(path, parameters), signal ? { signal } : {});
  return (await answer.json()) as T;
}


/** Asks for a change of state, as this page: other sites cannot send the header. */
export async function post(path: string, parameters: Parameters = {}, token = ""): Promise<Response> {
  return ask(url(path, parameters), { method: "POST", headers: { "X-Memsnap": "1", ...(token ? { Authorization: `Bearer ${token}` } : {}) } });
}

/** How all targets went over the last `span`, page after page. */
export async function overview(span: string, signal?: AbortSignal): Promise<Overview> {
  const found: Overview = { since_ns: Infinity, until_ns: 0, courses: [] };
  let after: string | null = null;
  do {
    const page: Page<Course> & { since_ns: number; until_ns: number } = await get("api/v1/overview", { since: `-${span}`, after }, signal);
    found.since_ns = Math.min(found.since_ns, page.since_ns);
    found.until_ns = Math.max(found.until_ns, page.until_ns);
    found.courses.push(...page.items);
    after = page.next;
  } while (after);
  return found;
}

/** All targets, page after page. */
export async function targets(signal?: AbortSignal): Promise<Target[]> {
  const found: Target[] = [];
  let after: string | null = null;
  do {
    const page: Page<Target> = await get("api/v1/targets", { after }, signal);
    found.push(...page.items);
    after = page.next;
  } while (after);
  return found;
}

/** Who asks, as the daemon sees it; a null scope is not let in. */
export interface Session {
  needed: boolean;
  scope: "read" | "write" | null;
  name: string;
}

export async function session(signal?: AbortSignal): Promise<Session> {
  return get<Session>("api/v1/session", {}, signal);
}

/** One life of a target's process, as its captures show it; a mark stands at `first_slot_ns`. */
export interface Life {
  process_id: number;
  build_id: number;
  build: string;
  first_slot_ns: number;
  last_slot_ns: number;
}

export interface TimelineFinding {
  id: number;
  state: "new" | "open" | "muted" | "resolved";
  severity: "info" | "low" | "medium" | "high";
  title: string;
  since_ns: number;
  last_ns: number;
  resolved_ns: number | null;
}

export interface Timeline {
  lives: Life[];
  findings: TimelineFinding[];
}

/** What held most of the live heap over time; all of it is items, rest and unknown together. */
export interface TopSeries {
  by: "type" | "line" | "function" | "package";
  /** Whether any build of these captures has types. */
  typed: boolean;
  /** Captures in this time, of which at most 400 are here. */
  captures: number;
  slot_ns: number[];
  snapshot_id: number[];
  process_id: number[];
  items: { name: string; file: string; line: number; peak_bytes: number; values: number[] }[];
  rest: number[];
  unknown: number[] | null;
}
