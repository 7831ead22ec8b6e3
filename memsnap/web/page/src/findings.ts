// Findings that the daemon keeps, and what may be done to them.

import { get, Problem } from "./api.ts";

export type Severity = "info" | "low" | "medium" | "high";

export interface StoredFinding {
  id: number;
  target_id: number;
  severity: Severity;
  title: string;
  detail: string[];
  advice: string;
  state: string;
  first_seen_ns: number;
  last_seen_ns: number;
  at: { function: string; file: string; line: number } | null;
}

const RANKS: Severity[] = ["info", "low", "medium", "high"];

export function severityRank(severity: Severity): number {
  return RANKS.indexOf(severity);
}

export function worst(findings: StoredFinding[]): StoredFinding | null {
  const open = findings.filter((finding) => finding.state === "open");
  return open.reduce<StoredFinding | null>((most, each) => (!most || severityRank(each.severity) > severityRank(most.severity) ? each : most), null);
}

/** The findings of each target; none where the daemon keeps none. */
export async function findingsByTarget(signal?: AbortSignal): Promise<Map<number, StoredFinding[]>> {
  const found = new Map<number, StoredFinding[]>();
  try {
    const page = await get<{ items: StoredFinding[] }>("api/v1/findings", { state: "open" }, signal);
    for (const each of page.items) found.set(each.target_id, [...(found.get(each.target_id) ?? []), each]);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 404)) throw error;
  }
  return found;
}
