import { canonicalJson, type Json, type JsonObject } from "../kernel/json.ts";
import type { ActionPlan, EntityPlan } from "../plan/plan.ts";
import { inverseOf } from "../plan/undo-rules.ts";
import { evolve } from "./evolve.ts";
import type { StoredEvent } from "./history.ts";

/** An event of a record, between what was before it and what happened since. */
export interface PlacedEvent {
  readonly event: StoredEvent;
  /** The values before it. */
  readonly before: JsonObject;
  /** Oldest first. */
  readonly later: readonly StoredEvent[];
}

/** What stands in the way of taking an event back. */
export type UndoObstacle =
  /** Its action declares no inverse, or it takes back another event itself. */
  | { readonly why: "no_inverse" }
  | { readonly why: "undone"; readonly by: StoredEvent }
  /** Fields that are no longer what the event made them, each with the last event that changed it. */
  | { readonly why: "changed"; readonly fields: readonly { readonly name: string; readonly by: StoredEvent }[] }
  /** The values before are those after. */
  | { readonly why: "nothing" };

/** The action that takes an event back, and what it is given. */
export interface Undoing {
  readonly action: ActionPlan;
  readonly input: JsonObject;
  /** The name of the event that records it; null where the action has its own. */
  readonly type: string | null;
}

/** Whether an event takes back an earlier one: that one caused it, and yet nothing else was done along with it. */
export const takesBack = ({ id, causationId, correlationId, actor }: StoredEvent): boolean =>
  causationId !== null && correlationId === id && actor.type !== "operator";

/** How an event is taken back, or why it cannot be. Pure; whether the state allows the inverse is asked when it is done. */
export function undoingOf(entity: EntityPlan, { event, before, later }: PlacedEvent): Undoing | UndoObstacle {
  const action = entity.actions.find(({ name, event: type }) => name === event.action && type === event.type);
  const inverse = action === undefined ? undefined : inverseOf(entity.actions, action);
  if (action?.undo == null || inverse === undefined || event.actor.type === "operator" || takesBack(event)) {
    return { why: "no_inverse" };
  }
  const by = later.find((other) => takesBack(other) && other.causationId === event.id);
  if (by !== undefined) return { why: "undone", by };

  const same = (one: Json | undefined, other: Json | undefined) =>
    canonicalJson(one ?? null) === canonicalJson(other ?? null);
  const names = ["status", ...action.sets].filter(
    (name) => Object.hasOwn(event.data, name) && !same(event.data[name], before[name]),
  );
  const now = [event, ...later].reduce<JsonObject>(evolve, before);
  const fields = names
    .filter((name) => !same(now[name], event.data[name]))
    .flatMap((name) => {
      const last = later.findLast(({ data }) => Object.hasOwn(data, name));
      return last === undefined ? [] : [{ name, by: last }];
    });
  if (fields.length > 0) return { why: "changed", fields };
  if (action.undo.way === "action") return { action: inverse, input: {}, type: null };
  if (names.length === 0) return { why: "nothing" };
  return {
    action: inverse,
    input: Object.fromEntries(names.map((name) => [name, before[name] ?? null])),
    type: action.undo.event,
  };
}
