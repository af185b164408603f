import type { FieldPlan, Plan, Policy } from "../../plan/plan.ts";

/** Whom a document is for: a role, or null for visitors without a token. */
export type Audience = string | null;

/** How an audience is called, in the names of files too. */
export const audienceName = (audience: Audience): string => audience ?? "visitor";

const roleField = (plan: Plan): FieldPlan | undefined =>
  plan.entities.find(({ name }) => name === plan.actors?.entity)?.fields.find(({ name }) => name === plan.actors?.role);

/** Everyone whom an application has a document for: visitors, and each role. */
export const audiencesOf = (plan: Plan): readonly Audience[] => [null, ...(roleField(plan)?.values ?? [])];

/** The audiences that anybody may belong to: visitors, and the role that comes with a registration that is open to them. */
export function strangersOf(plan: Plan): readonly Audience[] {
  const people = plan.entities.find(({ name }) => name === plan.actors?.entity);
  const open = people?.actions.some(({ kind, by }) => kind === "create" && chance(by, null) !== "never") ?? false;
  const role = roleField(plan)?.default;
  return open && typeof role === "string" ? [null, role] : [null];
}

/** Whether an actor of this audience may ever pass a policy: always, for some records, or never. */
export function chance(policy: Policy, audience: Audience): "always" | "maybe" | "never" {
  switch (policy.kind) {
    case "anyone":
      return "always";
    case "nobody":
      return "never";
    case "signed_in":
      return audience === null ? "never" : "always";
    case "actor_has":
      return audience !== null && policy.roles.includes(audience) ? "always" : "never";
    case "actor_is":
    case "actor_in":
      return audience === null || (policy.audience !== null && policy.audience !== audience) ? "never" : "maybe";
    case "any_of": {
      const chances = policy.policies.map((part) => chance(part, audience));
      return chances.includes("always") ? "always" : chances.includes("maybe") ? "maybe" : "never";
    }
    case "all_of": {
      const chances = policy.policies.map((part) => chance(part, audience));
      return chances.includes("never") ? "never" : chances.includes("maybe") ? "maybe" : "always";
    }
  }
}

export const readable = (field: FieldPlan, audience: Audience) =>
  field.readBy === null ? "always" : chance(field.readBy, audience);

/** What is left of a policy for one audience, without the parts that its role has settled. */
function residue(policy: Policy, audience: Audience): Policy {
  const settled = chance(policy, audience);
  if (settled !== "maybe") return settled === "always" ? { kind: "anyone" } : { kind: "nobody" };
  if (policy.kind !== "any_of" && policy.kind !== "all_of") return policy;
  const open = policy.policies
    .filter((part) => chance(part, audience) === "maybe")
    .map((part) => residue(part, audience));
  const [only] = open;
  return open.length === 1 && only !== undefined ? only : { kind: policy.kind, policies: open };
}

/** Whether every actor of the audience who passes the first policy surely passes the second, by their form alone. */
export const implies = (first: Policy, second: Policy, audience: Audience): boolean =>
  follows(residue(first, audience), residue(second, audience));

function follows(from: Policy, to: Policy): boolean {
  if (to.kind === "anyone" || from.kind === "nobody" || JSON.stringify(from) === JSON.stringify(to)) return true;
  if (from.kind === "any_of") return from.policies.every((part) => follows(part, to));
  if (to.kind === "all_of") return to.policies.every((part) => follows(from, part));
  if (to.kind === "any_of" && to.policies.some((part) => follows(from, part))) return true;
  return from.kind === "all_of" && from.policies.some((part) => follows(part, to));
}

/** The fields of a record that a policy looks at: `restaurant_id` for `restaurant_id.staff_ids`. */
export function fieldsIn(policy: Policy): readonly string[] {
  switch (policy.kind) {
    case "actor_is":
    case "actor_in":
      return [policy.path.split(".")[0] ?? policy.path];
    case "any_of":
    case "all_of":
      return policy.policies.flatMap(fieldsIn);
    default:
      return [];
  }
}
