import type { ActionPlan, EntityPlan, Plan, Policy } from "../../plan/plan.ts";
import { ident, literal } from "../sql-text.ts";
import { policyCondition } from "./policy-condition.ts";

/**
 * Row-level security of an entity's table, forced on its owner too: who reads a row, and who may insert or update
 * one in the course of which action. Deletion is an update: rows are marked, never removed.
 */
export function emitRowSecurity(plan: Plan, entity: EntityPlan): string {
  const table = `app.${ident(entity.name)}`;
  const condition = (policy: Policy) => policyCondition(plan, entity, policy, ident(entity.name));
  const orSystem = (text: string) => (text === "true" ? text : `(select gesta.is_system()) or ${text}`);
  const during = (actions: readonly ActionPlan[], extra: string) =>
    actions
      .map(
        (action) =>
          `(select gesta.action()) = ${literal(`${entity.name}.${action.name}`)} and (${condition(action.by)})${extra}`,
      )
      .join("\n  or ");
  const own = entity.fields
    .filter((field) => field.setBy === "actor")
    .map((field) => ` and ${ident(entity.name)}.${ident(field.name)} = (select gesta.actor())`)
    .join("");
  const creating = entity.actions.filter((action) => action.kind === "create");
  const changing = entity.actions.filter((action) => action.kind !== "create");
  const policies = [
    `create policy read on ${table} for select to gesta_app, gesta_owner using (\n  ${orSystem(condition(entity.read))}\n);`,
    ...(creating.length === 0
      ? []
      : [
          `create policy creation on ${table} for insert to gesta_owner with check (\n  ${orSystem(during(creating, own))}\n);`,
        ]),
    ...(changing.length === 0
      ? []
      : [
          `create policy change on ${table} for update to gesta_owner using (\n  ${orSystem(during(changing, ""))}\n);`,
        ]),
  ];
  return [
    `alter table ${table} enable row level security;`,
    `alter table ${table} force row level security;`,
    ...["read", "creation", "change"].map((name) => `drop policy if exists ${name} on ${table};`),
    ...policies,
  ].join("\n");
}
