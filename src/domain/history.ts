import { canonicalJson, type Json, type JsonObject } from "../kernel/json.ts";
import type { EntityPlan } from "../plan/plan.ts";
import { isPurgeable } from "../plan/purging.ts";
import { evolve, type RecordedEvent } from "./evolve.ts";

/** An event with all that is known of it. */
export interface StoredEvent extends RecordedEvent {
  readonly id: string;
  readonly type: string;
  readonly typeVersion: number;
  readonly actor: { readonly type: string; readonly id: string | null };
  readonly action: string;
  readonly reason: string | null;
  readonly requestId: string | null;
  readonly correlationId: string | null;
  readonly causationId: string | null;
  /** Personal fields whose values are not to be had any more: null in `data`. */
  readonly erased?: readonly string[];
}

/** What changed in one field. */
export interface FieldChange {
  readonly from: Json;
  readonly to: Json;
}

/** An event as history shows it. */
export interface HistoryEntry {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly at: string;
  readonly actor: StoredEvent["actor"];
  readonly action: string;
  readonly reason: string | null;
  readonly changes: Readonly<Record<string, FieldChange>>;
  readonly correlation_id: string | null;
  readonly causation_id: string | null;
  readonly request_id: string | null;
}

/**
 * Events as history shows them, each with what it changed from what to what. Events hold new values alone, so the old
 * ones come from the state before.
 * @param before the values before the first of these events
 * @param masked fields whose values are not for the reader; what a declaration no longer knows is for nobody
 */
export function historyOf(
  entity: EntityPlan,
  before: JsonObject,
  events: readonly StoredEvent[],
  masked: readonly string[],
): readonly HistoryEntry[] {
  const shown = namesIn(entity).filter((name) => !masked.includes(name));
  let state = before;
  return events.map((event) => {
    const changes = changesIn(state, event, shown);
    state = evolve(state, event);
    return {
      id: event.id,
      type: event.type,
      version: event.version,
      at: event.at,
      actor: event.actor,
      action: event.action,
      reason: masked.includes("reason") ? null : event.reason,
      changes,
      correlation_id: event.correlationId,
      causation_id: event.causationId,
      request_id: event.requestId,
    };
  });
}

/** All that changes in a record by its events; passwords are in none. */
export const namesIn = (entity: EntityPlan): readonly string[] => [
  ...(entity.lifecycle === null ? [] : ["status"]),
  ...entity.fields.filter(({ kind }) => kind !== "password").map(({ name }) => name),
  "deleted_at",
  ...(isPurgeable(entity) ? ["purged_at"] : []),
];

const changesIn = (
  state: JsonObject,
  { data, erased = [] }: StoredEvent,
  shown: readonly string[],
): Readonly<Record<string, FieldChange>> =>
  Object.fromEntries(
    shown
      .filter((name) => Object.hasOwn(data, name))
      .map((name): [string, FieldChange] => [name, { from: state[name] ?? null, to: data[name] ?? null }])
      // That something was changed is a fact, also where nobody can tell what any more.
      .filter(([name, { from, to }]) => erased.includes(name) || canonicalJson(from) !== canonicalJson(to)),
  );
