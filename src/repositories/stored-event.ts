import type { StoredEvent } from "../domain/history.ts";
import type { JsonObject } from "../kernel/json.ts";

/** An event as `gesta.event_json` builds it. */
export type EventRow = readonly [
  version: number,
  data: JsonObject,
  at: string,
  id: string,
  type: string,
  typeVersion: number,
  actorType: string,
  actorId: string | null,
  action: string,
  reason: string | null,
  requestId: string | null,
  correlationId: string | null,
  causationId: string | null,
];

/**
 * The one place where events come out of the database: what is to be done with their data first is done here. Personal
 * values in it are open already; `erased` names by version those that cannot be.
 */
export const storedEvent = (
  [version, data, at, id, type, typeVersion, ...rest]: EventRow,
  erased?: ReadonlyMap<number, readonly string[]>,
): StoredEvent => {
  const [actorType, actorId, action, reason, requestId, correlationId, causationId] = rest;
  return {
    ...{ version, data, at, id, type, typeVersion, action, reason, requestId, correlationId, causationId },
    actor: { type: actorType, id: actorId },
    erased: erased?.get(version) ?? [],
  };
};
