import type { Judgement } from "../domain/permit.ts";
import type { Json, JsonObject } from "../kernel/json.ts";
import type { EntityPlan, Policy } from "../plan/plan.ts";
import type { RecordsBehindPolicies } from "./records-behind-policies.ts";

/** A part of a policy with its answer, and what it was found by. */
export interface ExplainedPart {
  /** As it is declared: `actor_is user_id`, `any_of`. */
  readonly part: string;
  /** `maybe`: it depends on the record. */
  readonly verdict: "yes" | "no" | "maybe";
  /** What was compared with what, in words; null for a combination. */
  readonly because: string | null;
  readonly parts: readonly ExplainedPart[];
}

/** Who asks, as explanations call them. */
export interface NamedActor {
  /** As it was given: `customer2`, `visitor`. */
  readonly name: string;
  readonly id: string | null;
  readonly roles: readonly string[];
}

/** Puts a judgement into words. @param record what was looked at; null where a whole list, or a new record, is meant. */
export function explainPolicy(
  judgement: Judgement,
  asker: NamedActor,
  entity: EntityPlan,
  record: JsonObject | null,
  behind: RecordsBehindPolicies,
): ExplainedPart {
  const { policy, verdict, parts } = judgement;
  return {
    part: partName(policy),
    verdict,
    because: reasonOf(judgement, asker, entity, record, behind),
    parts: parts.map((part) => explainPolicy(part, asker, entity, record, behind)),
  };
}

const partName = (policy: Policy): string => {
  switch (policy.kind) {
    case "actor_has":
      return `actor_has ${policy.roles.join(", ")}`;
    case "actor_is":
    case "actor_in":
      return `${policy.kind} ${policy.path}`;
    default:
      return policy.kind;
  }
};

function reasonOf(
  { policy, held }: Judgement,
  asker: NamedActor,
  entity: EntityPlan,
  record: JsonObject | null,
  behind: RecordsBehindPolicies,
): string | null {
  const { name, id, roles } = asker;
  switch (policy.kind) {
    case "anyone":
      return "it is open to everybody";
    case "nobody":
      return "it is closed to everybody";
    case "signed_in":
      return id === null ? "a visitor is not signed in" : `${name} is signed in`;
    case "actor_has":
      return id === null ? "a visitor has no role" : `${name} has the role ${roles.join(", ")}`;
    case "any_of":
    case "all_of":
      return null;
    case "actor_is":
    case "actor_in": {
      if (id === null) return "a visitor is in no record";
      if (record === null) return `it holds where ${policy.path} ${policy.kind === "actor_is" ? "is" : "has"} ${id}`;
      return (
        blindness(policy.path, name, entity, record, behind) ??
        `the record's ${policy.path} is ${wordsOf(held)}, ${name} is ${id}`
      );
    }
  }
}

/** Why a rule about a referenced record was not asked; null where it was. */
function blindness(
  path: string,
  name: string,
  entity: EntityPlan,
  record: JsonObject,
  behind: RecordsBehindPolicies,
): string | null {
  const [first = "", second] = path.split(".");
  const target = entity.fields.find((field) => field.name === first)?.target;
  if (second === undefined || target == null) return null;
  const id = record[first];
  if (id == null) return `the record's ${first} is null`;
  const there = `${target}/${String(id)}`;
  switch (behind.sight(target, String(id))) {
    case "readable":
      return null;
    case "unreadable":
      return `${there} gives no rights: ${target}.read hides it from ${name}`;
    case "deleted":
      return `${there} gives no rights: it is deleted`;
    case "missing":
      return `${there} gives no rights: there is no such record`;
  }
}

const wordsOf = (held: Json): string => {
  if (!Array.isArray(held)) return String(held);
  return held.length === 0 ? "empty" : held.map(String).join(", ");
};

/** The parts that decided: those whose answer is the whole's. */
export const decidingParts = (part: ExplainedPart): readonly string[] =>
  part.because !== null
    ? [`${part.part}: ${part.because}`]
    : part.parts.filter(({ verdict }) => verdict === part.verdict).flatMap(decidingParts);
