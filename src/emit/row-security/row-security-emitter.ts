import type { ActionPlan, EntityPlan, FieldPlan, Plan, Policy } from "../../plan/plan.ts";
import { writtenActions } from "../../plan/undo-rules.ts";
import { ident, literal } from "../sql-text.ts";
import { columnsOf } from "../tables/column-type.ts";
import { policyCondition } from "./policy-condition.ts";

const isCreation = ({ kind }: ActionPlan): boolean => kind === "create";

/** A policy as the catalogue of a live database shows it. */
export interface PlannedPolicy {
  readonly name: string;
  readonly roles: readonly string[];
  /** Whether it lets through everyone whom it is for. */
  readonly open: boolean;
}

/** The policies that `emitRowSecurity` makes. */
export const policiesOf = (plan: Plan, entity: EntityPlan): readonly PlannedPolicy[] => [
  {
    name: "read",
    roles: looksBehindMask(plan, entity) ? ["gesta_owner"] : ["gesta_app", "gesta_owner"],
    open: policyCondition(plan, entity, entity.read, ident(entity.name)) === "true",
  },
  ...(looksBehindMask(plan, entity) ? [{ name: "plain_read", roles: ["gesta_app"], open: false }] : []),
  ...["creation", "change", "removal"].map((name) => ({ name, roles: ["gesta_owner"], open: false })),
];

/**
 * Row-level security of an entity's table, forced on its owner too: who reads a row, and who may insert or update
 * one in the course of which action. Deletion is an update: rows are marked; only Gesta itself removes one, in a rebuild.
 */
export function emitRowSecurity(plan: Plan, entity: EntityPlan): string {
  const table = `app.${ident(entity.name)}`;
  const condition = (policy: Policy) => policyCondition(plan, entity, policy, ident(entity.name));
  const orSystem = (text: string) => {
    if (text === "true") return text;
    return text === "" ? "(select gesta.is_system())" : `(select gesta.is_system()) or ${text}`;
  };
  const during = (actions: readonly ActionPlan[], extra: (action: ActionPlan) => string) =>
    actions
      .map(
        (action) =>
          `(select gesta.action()) = ${literal(`${entity.name}.${action.name}`)} and (${condition(action.by)})${extra(action)}`,
      )
      .join("\n  or ");
  const creating = entity.actions.filter(isCreation);
  const changing = writtenActions(entity.actions).filter((action) => !isCreation(action));
  const behindMask = looksBehindMask(plan, entity);
  const policies = [
    `create policy read on ${table} for select to ${behindMask ? "" : "gesta_app, "}gesta_owner using (\n  ${orSystem(condition(entity.read))}\n);`,
    ...(behindMask
      ? [`create policy plain_read on ${table} for select to gesta_app using (${mayRead(entity)}(id));`]
      : []),
    `create policy creation on ${table} for insert to gesta_owner with check (\n  ${orSystem(during(creating, (action) => ownership(entity, action)))}\n);`,
    `create policy change on ${table} for update to gesta_owner using (\n  ${orSystem(during(changing, () => ""))}\n);`,
    `create policy removal on ${table} for delete to gesta_owner using (${orSystem("")});`,
  ];
  return [
    ...(behindMask ? [emitMayRead(entity)] : []),
    `alter table ${table} enable row level security;`,
    `alter table ${table} force row level security;`,
    ...["read", "plain_read", "creation", "change", "removal"].map(
      (name) => `drop policy if exists ${name} on ${table};`,
    ),
    ...policies,
  ].join("\n");
}

/** What a new row must hold where no client and no decision has a say: the actor's id, and the defaults. */
const ownership = (entity: EntityPlan, action: ActionPlan): string =>
  columnsOf(entity)
    .map((field) => ({ field, column: `${ident(entity.name)}.${ident(field.name)}` }))
    .map(({ field, column }) => {
      if (field.setBy === "actor") return ` and ${column} = (select gesta.actor())`;
      return field.setBy === "system" && !action.decides ? ` and ${column} ${isDefault(field)}` : "";
    })
    .join("");

const isDefault = ({ default: value }: FieldPlan): string => {
  if (value === null) return "is null";
  return `= ${typeof value === "string" ? literal(value) : String(value)}`;
};

/** The function that stands in for a read policy, for the role that may not look where the policy looks. */
export const mayRead = (entity: EntityPlan): string => `app.may_read_${entity.name}`;

const emitMayRead = (entity: EntityPlan): string =>
  `-- Whether the actor may read a record of ${entity.name}: asked as the owner, for plain SQL alone. The policy looks at
-- columns that the application's role has no right to.
create or replace function ${mayRead(entity)}(wanted ${entity.id === "serial" ? "bigint" : "uuid"}) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from app.${ident(entity.name)} r where r.id = wanted)
$$;`;

/** Whether the read policy looks at a masked field of another entity. */
export function looksBehindMask(plan: Plan, entity: EntityPlan, policy: Policy = entity.read): boolean {
  switch (policy.kind) {
    case "actor_is":
    case "actor_in": {
      const [first, second] = policy.path.split(".");
      const target = entity.fields.find(({ name }) => name === first)?.target;
      const fields = plan.entities.find(({ name }) => name === target)?.fields ?? [];
      return fields.some(({ name, readBy }) => name === second && readBy !== null);
    }
    case "any_of":
    case "all_of":
      return policy.policies.some((part) => looksBehindMask(plan, entity, part));
    default:
      return false;
  }
}
