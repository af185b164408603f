import type { Json, JsonObject } from "../kernel/json.ts";
import type { Actor } from "../plan/behaviour.ts";
import type { EntityPlan, Policy } from "../plan/plan.ts";

/** `maybe`: it depends on a record that is not known yet. */
export type Verdict = "yes" | "no" | "maybe";

/** A record that the actor can read, or null. */
export type Lookup = (entity: string, id: string) => JsonObject | null;

/** A policy with the answer of each of its parts: what a question came to, and by what. */
export interface Judgement {
  readonly policy: Policy;
  readonly verdict: Verdict;
  /** What the record held at the policy's path: null where there is nothing, or nothing that counts for the actor. */
  readonly held: Json;
  readonly parts: readonly Judgement[];
}

/**
 * Asks a policy, part by part. Without a record, paths answer `maybe` to a user; a rule about a referenced record is
 * asked only when the actor can read that record. Row-level security is the same policy in the database, and the last
 * word.
 */
export function judge(
  policy: Policy,
  actor: Actor,
  entity: EntityPlan,
  record: JsonObject | null,
  lookup: Lookup,
): Judgement {
  switch (policy.kind) {
    case "anyone":
      return judged(policy, actor, true);
    case "nobody":
      return judged(policy, actor, false);
    case "signed_in":
      return judged(policy, actor, actor.type === "user");
    case "actor_has":
      return judged(
        policy,
        actor,
        policy.roles.some((role) => actor.roles.includes(role)),
      );
    case "actor_is":
    case "actor_in": {
      if (record === null) return judged(policy, actor, actor.type === "user" ? "maybe" : false);
      const held = valueAt(policy.path, entity, record, lookup);
      const holds = Array.isArray(held) ? held.includes(actor.id) : held === actor.id;
      return judged(policy, actor, actor.type === "user" && holds, held);
    }
    case "any_of":
    case "all_of": {
      const parts = policy.policies.map((part) => judge(part, actor, entity, record, lookup));
      return judged(policy, actor, (policy.kind === "any_of" ? anyOf : allOf)(parts), null, parts);
    }
  }
}

/** What `judge` comes to. */
export const permits = (...question: Parameters<typeof judge>): Verdict => judge(...question).verdict;

const judged = (
  policy: Policy,
  actor: Actor,
  holds: boolean | "maybe",
  held: Json = null,
  parts: readonly Judgement[] = [],
): Judgement => ({
  policy,
  verdict: actor.type === "system" || holds === true ? "yes" : holds === false ? "no" : holds,
  held,
  parts,
});

const has = (parts: readonly Judgement[], wanted: Verdict): boolean => parts.some(({ verdict }) => verdict === wanted);
const anyOf = (parts: readonly Judgement[]) => has(parts, "yes") || (has(parts, "maybe") && "maybe");
const allOf = (parts: readonly Judgement[]) => !has(parts, "no") && (has(parts, "maybe") ? "maybe" : true);

function valueAt(path: string, entity: EntityPlan, record: JsonObject, lookup: Lookup): Json {
  const [first = "", second] = path.split(".");
  if (second === undefined) return record[first] ?? null;
  const target = entity.fields.find(({ name }) => name === first)?.target;
  const id = record[first];
  if (target == null || (typeof id !== "string" && typeof id !== "number")) return null;
  return lookup(target, String(id))?.[second] ?? null;
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
