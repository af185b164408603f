import { canonicalJson, type Json, type JsonObject } from "../kernel/json.ts";
import { fold } from "./evolve.ts";
import type { StoredEvent } from "./history.ts";

const handActions = ["added_by_hand", "changed_by_hand", "removed_by_hand"];
const settlements = ["adopted", "reverted"];

/** Only the database itself records an operator; a declared action of the same name has another author. */
const isBy = (event: StoredEvent, actions: readonly string[]): boolean =>
  event.actor.type === "operator" && actions.includes(event.action);

/** Changes by hand that no operator has adopted or reverted yet, oldest first. */
export function unsettled(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const settled = new Set(events.filter((event) => isBy(event, settlements)).map(({ causationId }) => causationId));
  return events.filter((event) => isBy(event, handActions) && !settled.has(event.id));
}

/** Whether the events leave a row behind: somebody may have removed it by hand. */
export function leavesRow(events: readonly StoredEvent[]): boolean {
  let present = events.length > 0;
  for (const event of events) {
    if (isBy(event, ["removed_by_hand"])) present = false;
    else if (isBy(event, ["added_by_hand"])) present = true;
    else if (isBy(event, ["reverted"])) {
      const cause = events.find(({ id }) => id === event.causationId);
      if (cause?.action === "removed_by_hand") present = true;
    }
  }
  return present;
}

/**
 * What gives a record back the values that it had before a change by hand. A field that an action has changed since is
 * left alone; what was added by hand is marked as deleted.
 * @param at the moment of such a deletion
 */
export function compensationFor(events: readonly StoredEvent[], change: StoredEvent, at: string): JsonObject {
  const before = fold(events.filter(({ version }) => version < change.version));
  const now = fold(events) ?? {};
  if (change.action === "added_by_hand" && (before === null || before.deleted_at !== null)) {
    return now.deleted_at == null ? { deleted_at: at } : {};
  }
  return Object.fromEntries(
    Object.entries(change.data)
      .filter(([name, value]) => canonicalJson(now[name] ?? null) === canonicalJson(value))
      .map(([name]): [string, Json] => [name, before?.[name] ?? null]),
  );
}
