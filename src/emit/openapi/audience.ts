import type { FieldPlan, Policy } from "../../plan/plan.ts";

/** Whom a document is for: a role, or null for visitors without a token. */
export type Audience = string | null;

/** Whether an actor of this audience may ever pass a policy, always, for some records, or never. */
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
      return audience === null ? "never" : "maybe";
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
