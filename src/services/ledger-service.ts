import { compensationFor, leavesRow, unsettled } from "../domain/by-hand.ts";
import { fold, upTo } from "../domain/evolve.ts";
import { type HistoryEntry, historyOf, type StoredEvent } from "../domain/history.ts";
import { findingsIn, type StoredStream } from "../domain/verify-stream.ts";
import type { Clock } from "../kernel/clock.ts";
import { type IdentifierSource, isSerial, isUuid, streamOf } from "../kernel/identifier.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import type { LedgerRepository } from "../repositories/ledger-repository.ts";
import { type VerifyReport, verifyLedger } from "./verification-service.ts";

/** What became of one record that differed from its events. */
export interface Rebuilt {
  readonly entity: string;
  readonly id: string;
  /** `refused`: its events themselves are broken, or the database did not take their state. */
  readonly outcome: "restored" | "removed" | "refused";
  /** What differed, or why it was refused. */
  readonly why: readonly string[];
}

export interface RebuildScope {
  readonly entity?: string | undefined;
  readonly id?: string | undefined;
}

/** What an operator does with the ledger. Every method knows records by entity and id. */
export interface LedgerService {
  verify(): Promise<VerifyReport>;
  /** Restores records from their events, those that differ and no others, while the application runs. */
  rebuild(scope: RebuildScope): Promise<readonly Rebuilt[]>;
  history(entity: string, id: string): Promise<readonly HistoryEntry[]>;
  /** The record at a moment (UTC, RFC 3339) or a version; null where it was not there. */
  asOf(
    entity: string,
    id: string,
    point: { readonly moment: string } | { readonly version: number },
  ): Promise<JsonObject | null>;
  /** Accepts the changes by hand of a record. @returns how many. */
  adopt(entity: string, id: string): Promise<number>;
  /** Takes them back, newest first. @returns how many. */
  revert(entity: string, id: string): Promise<number>;
}

/** What was asked for is not there, or cannot be done. */
export class LedgerRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LedgerRefused";
  }
}

/** How often an operator's event is decided anew when writers were faster. */
const mostTries = 5;

interface LedgerParts {
  readonly plan: Plan;
  readonly ledger: LedgerRepository;
  readonly clock: Clock;
  readonly newId: IdentifierSource;
}

export function ledgerService(parts: LedgerParts): LedgerService {
  const { plan, ledger } = parts;
  return {
    verify: () => verifyLedger(plan, ledger),
    rebuild: (scope) => rebuild(parts, scope),
    async history(name, id) {
      const entity = entityNamed(plan, name);
      return historyOf(entity, {}, (await knownStream(ledger, entity, id)).events, []);
    },
    async asOf(name, id, point) {
      const entity = entityNamed(plan, name);
      const { events } = await knownStream(ledger, entity, id);
      if ("moment" in point) return shown(entity, id, fold(upTo(events, point.moment)));
      const past = events.filter(({ version }) => version <= point.version);
      return past.at(-1)?.version === point.version ? shown(entity, id, fold(past)) : null;
    },
    adopt: (name, id) => settle(parts, name, id, "adopted"),
    revert: (name, id) => settle(parts, name, id, "reverted"),
  };
}

function entityNamed(plan: Plan, name: string): EntityPlan {
  const entity = plan.entities.find((candidate) => candidate.name === name);
  if (entity !== undefined) return entity;
  throw new LedgerRefused(`No entity '${name}'; use one of: ${plan.entities.map((each) => each.name).join(", ")}`);
}

async function streamNamed(ledger: LedgerRepository, entity: EntityPlan, id: string): Promise<StoredStream> {
  const fits = entity.id === "serial" ? isSerial(id) : isUuid(id);
  if (!fits) throw new LedgerRefused(`'${id}' is no id of ${entity.name}`);
  const stream = streamOf(entity.name, entity.id === "serial" ? Number(id) : id.toLowerCase());
  const [stored] = await ledger.streams(entity, [stream]);
  if (stored === undefined) throw new LedgerRefused(`${entity.name} ${id} was never there`);
  return stored;
}

async function knownStream(ledger: LedgerRepository, entity: EntityPlan, id: string): Promise<StoredStream> {
  const stored = await streamNamed(ledger, entity, id);
  if (stored.events.length === 0) throw new LedgerRefused(`${entity.name} ${id} has no events`);
  return stored;
}

/** In the order in which the API shows a record. */
function shown(entity: EntityPlan, id: string, state: JsonObject | null): JsonObject | null {
  if (state === null) return null;
  const names = entity.fields.filter(({ kind }) => kind !== "password").map(({ name }) => name);
  const members = [...(entity.lifecycle === null ? [] : ["status"]), ...names, "version", "created_at", "updated_at"];
  return {
    id: entity.id === "serial" ? Number(id) : id,
    ...Object.fromEntries(members.map((name) => [name, state[name] ?? null])),
    ...(state.deleted_at == null ? {} : { deleted_at: state.deleted_at }),
  };
}

async function settle(
  { plan, ledger, clock, newId }: LedgerParts,
  name: string,
  id: string,
  action: "adopted" | "reverted",
): Promise<number> {
  const entity = entityNamed(plan, name);
  for (let [done, tries] = [0, 0]; ; ) {
    const { events } = await knownStream(ledger, entity, id);
    const open = unsettled(events);
    const change = action === "adopted" ? open[0] : open.at(-1);
    if (change === undefined) {
      if (done > 0) return done;
      throw new LedgerRefused(`${name} ${id} has no change by hand that is open`);
    }
    const at = clock.now().toISOString();
    const set = action === "adopted" ? {} : compensationFor(events, change, at);
    const event: StoredEvent = {
      ...change,
      id: newId(),
      version: events.length + 1,
      type: `${entity.title}Change${action === "adopted" ? "Adopted" : "Reverted"}`,
      action,
      data: set,
      causationId: change.id,
    };
    const after = [...events, event];
    const command = { event: event.id, type: event.type, action, set, causation: change.id };
    const known = events.at(-1)?.version ?? 0;
    const put = await ledger.put(entity, id, leavesRow(after) ? fold(after) : null, known, command);
    if (put) done++;
    else if (++tries === mostTries) throw new LedgerRefused(`${name} ${id} keeps changing; try again`);
  }
}

async function rebuild(parts: LedgerParts, scope: RebuildScope): Promise<readonly Rebuilt[]> {
  const { plan, ledger } = parts;
  if (scope.id !== undefined) {
    if (scope.entity === undefined) throw new LedgerRefused("Which entity? Pass --entity beside --id.");
    const entity = entityNamed(plan, scope.entity);
    const rebuilt = await mend(ledger, entity, await streamNamed(ledger, entity, scope.id));
    return rebuilt === null ? [] : [rebuilt];
  }
  if (scope.entity !== undefined) entityNamed(plan, scope.entity);
  const all: Rebuilt[] = [];
  const waiting: { readonly entity: EntityPlan; readonly stream: string }[] = [];
  for await (const { suspects } of ledger.sift()) {
    for (const { entity: name, stream } of suspects) {
      const entity = plan.entities.find((candidate) => candidate.name === name);
      if (entity !== undefined && (scope.entity ?? name) === name) waiting.push({ entity, stream });
    }
  }
  // A record may wait for another that it refers to: as long as one was restored, the refused ones are tried again.
  for (let progress = true; progress && waiting.length > 0; ) {
    progress = false;
    for (const { entity, stream } of waiting.splice(0)) {
      const [stored] = await ledger.streams(entity, [stream]);
      const rebuilt = stored === undefined ? null : await mend(ledger, entity, stored);
      if (rebuilt === null) continue;
      if (rebuilt.outcome === "refused") waiting.push({ entity, stream });
      else progress = true;
      const place = all.findIndex(({ entity: name, id }) => name === entity.name && id === rebuilt.id);
      all.splice(place < 0 ? all.length : place, place < 0 ? 0 : 1, rebuilt);
    }
  }
  return all;
}

/** Restores one record; null where there is nothing to restore. */
async function mend(ledger: LedgerRepository, entity: EntityPlan, stored: StoredStream): Promise<Rebuilt | null> {
  const found = findingsIn(entity, stored);
  const wrong = found.find(({ fault }) => ["no_events", "no_record", "differs"].includes(fault));
  if (wrong === undefined) return null;
  const { record, events } = stored;
  const id = String(record?.id ?? idOf(entity, stored.streamId));
  const told = { entity: entity.name, id };
  const broken = found.filter(({ fault }) => ["gap", "chain_broken", "out_of_order", "unreadable"].includes(fault));
  if (broken.length > 0) {
    return { ...told, outcome: "refused", why: broken.map(({ fault, at }) => `${fault} ${at.join(", ")}`) };
  }
  const state = leavesRow(events) ? fold(events) : null;
  try {
    const put = await ledger.put(entity, id, state, events.at(-1)?.version ?? 0, null);
    if (!put) return null; // a writer was faster, and wrote the record anew
  } catch (error) {
    return { ...told, outcome: "refused", why: [error instanceof Error ? error.message : String(error)] };
  }
  return { ...told, outcome: state === null ? "removed" : "restored", why: [wrong.fault, ...wrong.at] };
}

const idOf = (entity: EntityPlan, stream: string): string =>
  entity.id === "serial" ? String(Number.parseInt(stream.replaceAll("-", "").slice(17), 16)) : stream;
