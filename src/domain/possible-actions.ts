import type { JsonObject } from "../kernel/json.ts";
import type { Obstacle } from "../kernel/obstacle.ts";
import { chance } from "../plan/audience.ts";
import type { Actor } from "../plan/behaviour.ts";
import type { ActionPlan, EntityPlan, LifecyclePlan } from "../plan/plan.ts";
import { type Lookup, permits } from "./permit.ts";
import { type PlacedEvent, undoingOf } from "./undo.ts";

/** An action on a record, and what stands between it and the actor. */
export interface PossibleAction {
  readonly action: ActionPlan;
  /** Null where the actor can do it now. */
  readonly obstacle: Obstacle | null;
  /** The states that it can lead to from here; none for what moves no record. */
  readonly targets: readonly string[];
}

/**
 * The actions on a record that the actor's audience could ever do, in the order of the declaration. Of all others the
 * actor learns nothing here, as in the documents.
 * @param lifecycle the workflow in force; null where the entity has none.
 * @param last the record's last event, where the entity has something to undo.
 */
export function possibleActions(
  entity: EntityPlan,
  lifecycle: LifecyclePlan | null,
  actor: Actor,
  record: JsonObject,
  lookup: Lookup,
  last: PlacedEvent | null,
): readonly PossibleAction[] {
  const situation = { entity, lifecycle, actor, record, lookup };
  return entity.actions
    .filter(({ kind, by }) => kind !== "create" && kind !== "restore" && mayKnow(actor, by))
    .map((action) => {
      const targets = action.kind === "move" ? targetsOf(action, lifecycle, record) : [];
      return { action, obstacle: obstacleTo(action, situation, last), targets };
    });
}

interface Situation {
  readonly entity: EntityPlan;
  readonly lifecycle: LifecyclePlan | null;
  readonly actor: Actor;
  readonly record: JsonObject;
  readonly lookup: Lookup;
}

function obstacleTo(action: ActionPlan, situation: Situation, last: PlacedEvent | null): Obstacle | null {
  const { entity, lifecycle, actor, record, lookup } = situation;
  if (permits(action.by, actor, entity, record, lookup) !== "yes") return "not_yours";
  if (action.kind === "move") return stateObstacle(action, lifecycle, record);
  if (action.kind !== "undo") return null;
  const undoing = last === null ? null : undoingOf(entity, last);
  if (undoing === null || !("action" in undoing)) return "nothing_to_undo";
  return obstacleTo(undoing.action, situation, null);
}

/** The names of what the actor can do with the record now: what a refused action is answered with. */
export const allowedActions = (...situation: Parameters<typeof possibleActions>): readonly string[] =>
  possibleActions(...situation)
    .filter(({ obstacle }) => obstacle === null)
    .map(({ action }) => action.name);

const mayKnow = (actor: Actor, by: ActionPlan["by"]): boolean =>
  actor.type === "system" || chance(by, actor.roles[0] ?? null) !== "never";

const targetsOf = ({ name }: ActionPlan, lifecycle: LifecyclePlan | null, { status }: JsonObject): readonly string[] =>
  lifecycle?.transitions.filter(({ action, from }) => action === name && from === status).map(({ to }) => to) ?? [];

/** Whether the workflow stands in the way, and for good. */
export function stateObstacle(
  action: ActionPlan,
  lifecycle: LifecyclePlan | null,
  record: JsonObject,
): "not_yet" | "no_longer" | null {
  const steps = lifecycle?.transitions ?? [];
  const reached = new Set([record.status]);
  for (const state of reached) {
    if (steps.some((step) => step.action === action.name && step.from === state)) {
      return state === record.status ? null : "not_yet";
    }
    // A set is walked through in the order of adding: what is added here is come to later.
    for (const { from, to } of steps) if (from === state) reached.add(to);
  }
  return "no_longer";
}
