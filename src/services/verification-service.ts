import { fold } from "../domain/evolve.ts";
import { streamOf } from "../kernel/identifier.ts";
import { canonicalJson } from "../kernel/json.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import type { StoredStream } from "../repositories/ledger-repository.ts";

/** One disagreement between the stored records and their events. */
export interface VerifyFinding {
  readonly entity: string;
  readonly stream: string;
  readonly fault: "no_events" | "no_record" | "differs" | "gap" | "chain_broken";
  /** The fields that differ, or the versions concerned. */
  readonly at: readonly string[];
}

export interface VerifyReport {
  readonly streams: number;
  readonly events: number;
  readonly findings: readonly VerifyFinding[];
}

/** Compares every stored record with the fold of its events, and every event with the chain of hashes. */
export async function verifyLedger(
  plan: Plan,
  streams: (entity: EntityPlan) => AsyncIterable<StoredStream>,
): Promise<VerifyReport> {
  const findings: VerifyFinding[] = [];
  let [streamCount, eventCount] = [0, 0];
  for (const entity of plan.entities) {
    for await (const stream of streams(entity)) {
      streamCount++;
      eventCount += stream.events.length;
      findings.push(...findingsIn(entity, stream));
    }
  }
  return { streams: streamCount, events: eventCount, findings };
}

export function findingsIn(
  entity: EntityPlan,
  { streamId, record, events, broken }: StoredStream,
): readonly VerifyFinding[] {
  const found: VerifyFinding[] = [];
  const say = (fault: VerifyFinding["fault"], at: readonly string[]) =>
    found.push({ entity: entity.name, stream: streamId, fault, at });
  const gaps = events.filter(({ version }, index) => version !== index + 1);
  if (gaps.length > 0)
    say(
      "gap",
      gaps.map(({ version }) => String(version)),
    );
  if (broken.length > 0) say("chain_broken", broken.map(String));
  const folded = fold(events);
  if (folded === null) say("no_events", []);
  else if (record === null) say("no_record", []);
  else {
    const names = [
      "version",
      "created_at",
      "updated_at",
      "deleted_at",
      ...(entity.lifecycle === null ? [] : ["status"]),
    ];
    for (const { name, kind } of entity.fields) if (kind !== "password") names.push(name);
    const differing = names.filter(
      (name) => canonicalJson(record[name] ?? null) !== canonicalJson(folded[name] ?? null),
    );
    const id = record.id ?? null;
    const ownStream = (typeof id === "string" || typeof id === "number") && streamOf(entity.name, id) === streamId;
    if (!ownStream) differing.unshift("id");
    if (differing.length > 0) say("differs", differing);
  }
  return found;
}
