import { type Audience, chance } from "../../plan/audience.ts";
import type { Policy } from "../../plan/plan.ts";

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
