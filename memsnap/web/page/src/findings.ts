// Findings that the daemon keeps, and what may be done to them.

import { count } from "./format.ts";
import { get, post, type Page, type Target } from "./api.ts";

export type Severity = "info" | "low" | "medium" | "high";
export type FindingState = "new" | "open" | "muted" | "resolved";

interface Site {
  function: string;
  file: string;
  line: number;
  type: string;
  bytes: number;
}

/** What is said of a finding; parts that this page does not know are left as they are. */
interface Told {
  title: string;
  detail?: string[];
  advice?: string;
  example?: string | null;
  evidence?: Record<string, unknown>;
  at?: { function: string; file: string; line: number } | null;
  sites?: Site[];
}

/** A finding's record; times are nanoseconds since 1970, `muted_until_ns` null while it is not muted. */
export interface KeptFinding {
  id: number;
  target_id: number;
  seen: Target["seen"];
  kind: string;
  verdict: string;
  severity: Severity;
  confidence: number;
  function: string;
  course: { first_ns: number; since_ns: number; last_ns: number; captures: number; resolved_ns: number | null; resolved_by: string };
  since_build: string;
  muted_until_ns: number | null;
  muted_by: string;
  document: Told;
  /** As people see it: muted hides that it is new or open. */
  state: FindingState;
  /** The captures that it rests on, the oldest first; empty in lists. */
  snapshots: number[];
}

interface FindingView {
  state: FindingState;
  finding: Omit<KeptFinding, "state" | "snapshots">;
  snapshots: number[] | null;
}

const RANKS: Severity[] = ["info", "low", "medium", "high"];
const EVER_NS = 9e18;
const MOST = 1000;

function flat({ state, finding, snapshots }: FindingView): KeptFinding {
  return { ...finding, state, snapshots: snapshots ?? [] };
}

export function severityRank(severity: Severity): number {
  return RANKS.indexOf(severity);
}

export function isLive(finding: KeptFinding): boolean {
  return finding.state === "new" || finding.state === "open";
}

/** Whether the muting has no end. */
export function isForEver(finding: KeptFinding): boolean {
  return (finding.muted_until_ns ?? 0) > EVER_NS;
}

/** The one to look at first of those that are neither muted nor resolved. */
export function worst(findings: KeptFinding[]): KeptFinding | null {
  return findings.filter(isLive).reduce<KeptFinding | null>((most, each) => (!most || severityRank(each.severity) > severityRank(most.severity) ? each : most), null);
}

/** What it is and how sure that is; what the captures do not settle has no percentage. */
export function verdictOf(finding: KeptFinding): string {
  return finding.verdict === "unknown" ? "not settled" : `${finding.verdict}, ${count(Math.floor(finding.confidence * 100))} % sure`;
}

/** Until when a finding was there, nanoseconds: its resolution, or the last capture that shows it. */
export function endOf(finding: KeptFinding): number {
  return finding.course.resolved_ns ?? finding.course.last_ns;
}

/** Findings, those seen last first, and whether there are more than these. */
export async function keptFindings(parameters: Record<string, string | number | string[]> = {}, signal?: AbortSignal): Promise<{ items: KeptFinding[]; more: boolean }> {
  const found = await get<Page<FindingView>>("api/v1/findings", { limit: MOST, ...parameters }, signal);
  return { items: found.items.map(flat), more: found.items.length >= MOST };
}

export async function keptFinding(id: number, signal?: AbortSignal): Promise<KeptFinding> {
  return flat(await get<FindingView>(`api/v1/findings/${id}`, {}, signal));
}

export async function findingsByTarget(signal?: AbortSignal): Promise<Map<number, KeptFinding[]>> {
  const found = new Map<number, KeptFinding[]>();
  const { items } = await keptFindings({ state: ["new", "open"] }, signal);
  for (const each of items) found.set(each.target_id, [...(found.get(each.target_id) ?? []), each]);
  return found;
}

/** Keeps a finding from telling anybody for some hours, or for ever. */
export async function mute(id: number, hours: number | null): Promise<KeptFinding> {
  const until = hours === null ? null : new Date(Date.now() + hours * 3600e3).toISOString();
  return changed(await post(`api/v1/findings/${id}/mute`, { until }));
}

export async function unmute(id: number): Promise<KeptFinding> {
  return changed(await post(`api/v1/findings/${id}/unmute`));
}

export async function resolve(id: number): Promise<KeptFinding> {
  return changed(await post(`api/v1/findings/${id}/resolve`));
}

async function changed(answer: Response): Promise<KeptFinding> {
  return flat((await answer.json()) as FindingView);
}
