import { findingsIn, type VerifyFinding } from "../domain/verify-stream.ts";
import type { Plan } from "../plan/plan.ts";
import type { LedgerRepository } from "../repositories/ledger-repository.ts";

export type { VerifyFinding } from "../domain/verify-stream.ts";

export interface VerifyReport {
  readonly streams: number;
  readonly events: number;
  readonly findings: readonly VerifyFinding[];
}

/** How many suspects are looked at together. */
const together = 200;

/** Compares every stored record with the fold of its events, and every event with the chain of hashes. */
export async function verifyLedger(plan: Plan, ledger: LedgerRepository): Promise<VerifyReport> {
  const findings: VerifyFinding[] = [];
  let [streams, events] = [0, 0];
  for await (const sifted of ledger.sift()) {
    streams += sifted.streams;
    events += sifted.events;
    findings.push(...(await lookAt(plan, ledger, sifted.suspects)));
  }
  return { streams, events, findings };
}

async function lookAt(
  plan: Plan,
  ledger: LedgerRepository,
  suspects: readonly { readonly entity: string; readonly stream: string }[],
): Promise<readonly VerifyFinding[]> {
  const findings: VerifyFinding[] = [];
  for (const entity of plan.entities) {
    const ids = suspects.filter((suspect) => suspect.entity === entity.name).map(({ stream }) => stream);
    for (let start = 0; start < ids.length; start += together) {
      const streams = await ledger.streams(entity, ids.slice(start, start + together));
      findings.push(...streams.flatMap((stream) => findingsIn(entity, stream)));
    }
  }
  // Nothing here knows such an entity: its name was tampered with, which the chain of hashes shows.
  const known = new Set(plan.entities.map(({ name }) => name));
  for (const { entity, stream } of suspects) {
    if (!known.has(entity)) findings.push({ entity, stream, fault: "chain_broken", at: [] });
  }
  return findings;
}
