import type { ActionPlan, EntityPlan, FieldPlan, Plan, Policy } from "./plan.ts";

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

/** Whether the one record that an actor of this audience can pass the policy for is the actor's own. */
export function readsItselfAlone(policy: Policy, audience: Audience): boolean {
  if (policy.kind === "any_of") {
    const parts = policy.policies.filter((part) => chance(part, audience) !== "never");
    return parts.length > 0 && parts.every((part) => readsItselfAlone(part, audience));
  }
  return policy.kind === "actor_is" && policy.path === "id" && chance(policy, audience) !== "never";
}

/** Whether nobody passes a policy, whoever asks. */
const isClosed = (policy: Policy): boolean => {
  switch (policy.kind) {
    case "nobody":
      return true;
    case "any_of":
      return policy.policies.every(isClosed);
    case "all_of":
      return policy.policies.some(isClosed);
    default:
      return false;
  }
};

/** The actions that have an address. What is nobody's to do is done by effects and seeds alone, and no client learns of it. */
export const offeredActions = ({ actions }: Pick<EntityPlan, "actions">): readonly ActionPlan[] =>
  actions.filter(({ by }) => !isClosed(by));

/** Whether an actor of this audience may see deleted records in lists: whoever may restore them, always, some, or never. */
export function seesDeleted(entity: Pick<EntityPlan, "actions">, audience: Audience): "always" | "maybe" | "never" {
  const restore = offeredActions(entity).find(({ kind }) => kind === "restore");
  return restore === undefined ? "never" : chance(restore.by, audience);
}

/** Whether an actor of this audience may read the field of a record that it may read. */
export const readable = (field: FieldPlan, audience: Audience): "always" | "maybe" | "never" =>
  field.readBy === null ? "always" : chance(field.readBy, audience);
