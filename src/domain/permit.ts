import type { JsonObject } from "../kernel/json.ts";
import type { Actor } from "../plan/behaviour.ts";
import type { EntityPlan, Policy } from "../plan/plan.ts";

/** `maybe`: it depends on a record that is not known yet. */
export type Verdict = "yes" | "no" | "maybe";

/** A record that the actor can read, or null. */
export type Lookup = (entity: string, id: string) => JsonObject | null;

const verdict = (holds: boolean): Verdict => (holds ? "yes" : "no");

/**
 * Asks a policy. Without a record, paths answer `maybe` to a user; a rule about a referenced record is asked only when
 * the actor can read that record. Row-level security is the same policy in the database, and the last word.
 */
export function permits(
  policy: Policy,
  actor: Actor,
  entity: EntityPlan,
  record: JsonObject | null,
  lookup: Lookup,
): Verdict {
  if (actor.type === "system") return "yes";
  switch (policy.kind) {
    case "anyone":
      return "yes";
    case "nobody":
      return "no";
    case "signed_in":
      return verdict(actor.type === "user");
    case "actor_has":
      return verdict(policy.roles.some((role) => actor.roles.includes(role)));
    case "actor_is":
    case "actor_in": {
      if (actor.type !== "user") return "no";
      if (record === null) return "maybe";
      const held = valueAt(policy.path, entity, record, lookup);
      return verdict(Array.isArray(held) ? held.includes(actor.id) : held === actor.id);
    }
    case "any_of": {
      const verdicts = policy.policies.map((part) => permits(part, actor, entity, record, lookup));
      return verdicts.includes("yes") ? "yes" : verdicts.includes("maybe") ? "maybe" : "no";
    }
    case "all_of": {
      const verdicts = policy.policies.map((part) => permits(part, actor, entity, record, lookup));
      return verdicts.includes("no") ? "no" : verdicts.includes("maybe") ? "maybe" : "yes";
    }
  }
}

function valueAt(path: string, entity: EntityPlan, record: JsonObject, lookup: Lookup): unknown {
  const [first = "", second] = path.split(".");
  if (second === undefined) return record[first];
  const target = entity.fields.find(({ name }) => name === first)?.target;
  const id = record[first];
  if (target == null || (typeof id !== "string" && typeof id !== "number")) return null;
  return lookup(target, String(id))?.[second];
}

/** The references of a record that its policies look through: `restaurant_id` for `restaurant_id.staff_ids`. */
export function referencesIn(policy: Policy): readonly string[] {
  switch (policy.kind) {
    case "actor_is":
    case "actor_in": {
      const [first = "", second] = policy.path.split(".");
      return second === undefined ? [] : [first];
    }
    case "any_of":
    case "all_of":
      return [...new Set(policy.policies.flatMap(referencesIn))];
    default:
      return [];
  }
}

export const visitor: Actor = { type: "visitor", id: null, roles: [] };
export const system: Actor = { type: "system", id: null, roles: [] };

/** Whether any visitor may ever do this; if not, no token means 401. */
export const visitorsMay = (policy: Policy, entity: EntityPlan): boolean =>
  permits(policy, visitor, entity, null, () => null) !== "no";
