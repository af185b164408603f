import type { Fault } from "../kernel/fault.ts";
import type { Json, JsonObject } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Actor, Asking, Behaviour, ConflictCode, Deciding, Effect, Refused } from "../plan/behaviour.ts";
import type { ActionPlan, EntityPlan, FieldPlan, LifecyclePlan } from "../plan/plan.ts";
import { checkDecision } from "./check-decision.ts";

/** What an action comes to: the event, the new values, the state to end in. */
export interface Decision {
  readonly event: string;
  readonly set: JsonObject;
  /** New passwords, as they were given; null without any. */
  readonly passwords: Readonly<Record<string, string>> | null;
  readonly to: string | null;
  /** Actions on other records that belong to it. */
  readonly effects: readonly Effect[];
}

/** `decide` found that it cannot be done now. */
export interface Declined {
  readonly declined: ConflictCode;
}

interface Situation {
  readonly asking: Asking;
  readonly needs: Deciding["needs"];
  readonly decided: JsonObject;
  /** The id of the record, a new one's too; null where the database gives it. */
  readonly id: string | null;
  /** The workflow in force; null where the action does not move the record. */
  readonly lifecycle: LifecyclePlan | null;
}

const refuse = (...faults: readonly Fault[]): Refused => ({ refused: faults });
const conflict = (code: ConflictCode): Refused => ({ refused: code });

/**
 * Asks the pure functions of an action, with the records that it needs, and puts the new values together.
 * @throws Refusal `invalid` when `decide` declines.
 */
export function decideChanges(
  behaviour: Behaviour | undefined,
  entity: EntityPlan,
  action: ActionPlan,
  { asking: { input, actor, now, state }, needs, decided, id, lifecycle }: Situation,
): Decision | Declined {
  const deciding: Deciding = { input, actor, now, state, needs, refuse, conflict };
  const outcome = behaviour?.decide?.(deciding) ?? {};
  if (isRefused(outcome)) {
    if (typeof outcome.refused !== "string") throw Refusal.invalid(outcome.refused);
    return { declined: outcome.refused };
  }

  const creates = action.kind === "create";
  const layers: readonly JsonObject[] = [decided, outcome, input];
  const set: Record<string, Json> = {};
  const passwords: Record<string, string> = {};
  for (const field of entity.fields) {
    const { name } = field;
    if (!action.sets.includes(name)) continue;
    const layer = layers.find((layer) => Object.hasOwn(layer, name));
    const value = layer !== undefined ? layer[name] : creates ? firstValue(field, actor) : undefined;
    if (value === undefined) continue;
    if (field.kind !== "password") set[name] = value;
    else if (value !== null) passwords[name] = String(value);
  }
  const faults = checkDecision(entity, set, creates);
  if (faults.length > 0) throw Refusal.invalid(faults);
  const to = lifecycle === null ? null : targetOf(action, behaviour?.to?.(deciding), deciding, lifecycle);
  const effects = behaviour?.effects?.({ input, actor, needs, record: { ...state, ...set, id } }) ?? [];
  return { event: eventOf(action, to), set, passwords: isEmpty(passwords) ? null : passwords, to, effects };
}

const isEmpty = (values: Readonly<Record<string, string>>): boolean => Object.keys(values).length === 0;

/** A decision has the names of fields, and none of them is `refused` (see plan/verifiers/names.ts). */
const isRefused = (outcome: JsonObject | Refused): outcome is Refused => "refused" in outcome;

/** What a new record holds where neither the client nor `decide` says anything. */
function firstValue(field: FieldPlan, actor: Actor): Json | undefined {
  if (field.kind === "password") return undefined;
  if (field.setBy === "actor") return actor.id;
  return field.optional || field.default !== null ? field.default : undefined;
}

/** The state to end in: what `to` says, what the caller named, or the only one that the workflow leads to from here. */
function targetOf(
  action: ActionPlan,
  said: string | undefined,
  { input, state }: Deciding,
  { transitions }: LifecyclePlan,
): string {
  if (said !== undefined) return said;
  if (typeof action.event !== "string") return String(input.status);
  const step = transitions.find((step) => step.action === action.name && step.from === state?.status);
  return step?.to ?? String(state?.status);
}

const eventOf = (action: ActionPlan, to: string | null): string =>
  typeof action.event === "string" ? action.event : (action.event[to ?? ""] ?? "");
