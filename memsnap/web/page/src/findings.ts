// Findings that the daemon keeps, and what may be done to them.

import { get, post, Problem, type Target } from "./api.ts";

export type Severity = "info" | "low" | "medium" | "high";

/** A finding's record; times are nanoseconds since 1970, `muted_until_ns` null while it is not muted. */
export interface StoredFinding {
  id: number;
  target_id: number;
  seen: Target["seen"];
  kind: string;
  verdict: string;
  severity: Severity;
  confidence: number;
  function: string;
  course: { state: string; first_ns: number; since_ns: number; last_ns: number; captures: number };
  muted_until_ns: number | null;
  muted_by: string;
  document: {
    title: string;
    detail: string[];
    advice: string;
    example: string | null;
    evidence: Record<string, string | number>;
    at: { function: string; file: string; line: number } | null;
  };
}

const RANKS: Severity[] = ["info", "low", "medium", "high"];
const EVER_NS = 9e18;

export function severityRank(severity: Severity): number {
  return RANKS.indexOf(severity);
}

export function isMuted(finding: StoredFinding, now = Date.now()): boolean {
  return finding.muted_until_ns !== null && finding.muted_until_ns / 1e6 > now;
}

/** Whether the muting has no end. */
export function isForEver(finding: StoredFinding): boolean {
  return (finding.muted_until_ns ?? 0) > EVER_NS;
}

export function worst(findings: StoredFinding[]): StoredFinding | null {
  const told = findings.filter((finding) => finding.course.state !== "resolved" && !isMuted(finding));
  return told.reduce<StoredFinding | null>((most, each) => (!most || severityRank(each.severity) > severityRank(most.severity) ? each : most), null);
}

/** All findings, or null where this daemon keeps none. */
export async function storedFindings(parameters: Record<string, string | number> = {}, signal?: AbortSignal): Promise<StoredFinding[] | null> {
  try {
    return (await get<{ items: StoredFinding[] }>("api/v1/findings", parameters, signal)).items;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

export async function findingsByTarget(signal?: AbortSignal): Promise<Map<number, StoredFinding[]>> {
  const found = new Map<number, StoredFinding[]>();
  for (const each of (await storedFindings({}, signal)) ?? []) found.set(each.target_id, [...(found.get(each.target_id) ?? []), each]);
  return found;
}

/** Keeps a finding from telling anybody: `24h`, or for ever where the time is empty. */
export async function mute(id: number, time: string): Promise<void> {
  await post(`api/v1/findings/${id}/mute`, time ? { for: time } : {});
}

export async function unmute(id: number): Promise<void> {
  await post(`api/v1/findings/${id}/unmute`);
}

export async function resolve(id: number): Promise<void> {
  await post(`api/v1/findings/${id}/resolve`);
}
