import type { EntityPlan, Plan, Policy } from "../../plan/plan.ts";
import { ident, literals } from "../sql-text.ts";

/**
 * A policy as an SQL condition on a row. Stable calls stand in a sub-select, so that they run once for a statement
 * and not once for a row. Row-level security of a referenced table applies to the look-up too, so a record that the
 * actor cannot read, or a deleted one, gives no rights.
 * @param row the name under which the statement knows the row: a table or an alias.
 * @param written whether the read policies of referenced tables stand in the condition, for a role that no policy holds
 * back.
 */
export function policyCondition(plan: Plan, entity: EntityPlan, policy: Policy, row: string, written = false): string {
  switch (policy.kind) {
    case "anyone":
      return "true";
    case "nobody":
      return "false";
    case "signed_in":
      return "(select gesta.actor()) is not null";
    case "actor_has":
      return `(select gesta.roles()) && ${literals(policy.roles)}`;
    case "actor_is":
      return onPath(plan, entity, policy.path, row, written, (column) => `${column} = (select gesta.actor())`);
    case "actor_in":
      return onPath(plan, entity, policy.path, row, written, (column) => `(select gesta.actor()) = any (${column})`);
    case "any_of":
      return joined(plan, entity, policy.policies, row, written, "or", "false");
    case "all_of":
      return joined(plan, entity, policy.policies, row, written, "and", "true");
  }
}

const joined = (
  plan: Plan,
  entity: EntityPlan,
  policies: readonly Policy[],
  row: string,
  written: boolean,
  word: "or" | "and",
  none: string,
): string =>
  policies.length === 0
    ? none
    : [...policies]
        .sort((a, b) => weight(a) - weight(b))
        .map((part) => policyCondition(plan, entity, part, row, written))
        .map((condition) => (/ (or|and) /.test(condition) ? `(${condition})` : condition))
        .join(` ${word} `);

/** Conditions that are the same for every row of a statement stand first, look-ups in other tables last. */
function weight(policy: Policy): number {
  switch (policy.kind) {
    case "actor_is":
    case "actor_in":
      return policy.path.includes(".") ? 2 : 1;
    case "any_of":
    case "all_of":
      return Math.max(0, ...policy.policies.map(weight));
    default:
      return 0;
  }
}

function onPath(
  plan: Plan,
  entity: EntityPlan,
  path: string,
  row: string,
  written: boolean,
  condition: (column: string) => string,
): string {
  const [first = "", second] = path.split(".");
  if (second === undefined) return condition(`${row}.${ident(first)}`);
  const field = entity.fields.find(({ name }) => name === first);
  const target = plan.entities.find(({ name }) => name === field?.target);
  if (target === undefined) throw new Error(`the policy path '${path}' of ${entity.name} was not verified`);
  const table = ident(target.name);
  const named = `${table}.id = ${row}.${ident(first)} and ${condition(`${table}.${ident(second)}`)}`;
  return `exists (select from app.${table} where ${named} and ${table}.deleted_at is null${written ? andRead(plan, target, table) : ""})`;
}

/** The read policy of an entity as one more condition on its row, for a role that no policy holds back. */
export function andRead(plan: Plan, entity: EntityPlan, row: string): string {
  const condition = policyCondition(plan, entity, entity.read, row, true);
  return condition === "true" ? "" : ` and ((select gesta.is_system()) or ${condition})`;
}
