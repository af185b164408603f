import type { EntityPlan, FieldKind, FieldPlan, Plan, Policy } from "../../plan/plan.ts";
import { policyCondition } from "../row-security/policy-condition.ts";
import { ident, literal } from "../sql-text.ts";
import { columnsOf } from "../tables/column-type.ts";

type ToJson = (column: string) => string;

const quoted: ToJson = (column) => `to_json(${column})`;
/** Values whose text needs no escaping go between quotes as they are. */
const plain: ToJson = (column) => `'"' || ${column} || '"'`;
const asText: ToJson = (column) => `${column}::text`;

const conversions: Record<Exclude<FieldKind, "reference">, ToJson> = {
  text: quoted,
  email: quoted,
  url: quoted,
  enum: quoted,
  password: quoted,
  integer: asText,
  decimal: (column) => `trim_scale(${column})::text`,
  money: (column) => `trim_scale(${column})::text`,
  boolean: asText,
  instant: (column) => `'"' || gesta.instant(${column}) || '"'`,
  date: (column) => `'"' || to_char(${column}, 'YYYY-MM-DD') || '"'`,
  uuid: plain,
  list: quoted,
  object: asText,
};

function value(field: FieldPlan, row: string, optional = field.optional): string {
  const column = `${row}.${ident(field.name)}`;
  const conversion =
    field.kind === "reference" ? (field.targetId === "serial" ? asText : plain) : conversions[field.kind];
  const json = conversion(column);
  return optional ? `coalesce(${json.startsWith("to_json") ? `${json}::text` : json}, 'null')` : json;
}

/**
 * A record as JSON text, built where it lies: the reply's bytes, never parsed on their way to the caller.
 * `shown` holds what the actor may read, `full` all that services need, `shown_past` an earlier state with what the actor
 * may read of the record today; passwords are in none.
 */
export function emitRecordJson(plan: Plan, entity: EntityPlan): string {
  return [
    body(plan, entity, "shown", "what the actor may read"),
    body(plan, entity, "full", "all but passwords"),
    body(plan, entity, "shown_past", "as it was, with what the actor may read of it today"),
  ].join("\n\n");
}

type Body = "shown" | "full" | "shown_past";

function body(plan: Plan, entity: EntityPlan, name: Body, says: string): string {
  const id = entity.id === "serial" ? `'{"id":', r.id` : `'{"id":"', r.id, '"'`;
  const members = columnsOf(entity).map((field) => member(plan, entity, field, name));
  const table = `app.${ident(entity.name)}`;
  const parameters = name === "shown_past" ? `r ${table}, today ${table}` : `r ${table}`;
  const lines = [
    id,
    ...(entity.lifecycle === null ? [] : [`',"status":"', r.status, '"'`]),
    ...members,
    `',"version":', r.version`,
    `',"created_at":"', gesta.instant(r.created_at)`,
    `'","updated_at":"', gesta.instant(r.updated_at), '"}'`,
  ];
  return `-- A record of ${entity.name} as JSON: ${says}.
create or replace function app.${name}_${entity.name}(${parameters}) returns text
language sql stable as $$
  select concat(
    ${lines.join(",\n    ")}
  )
$$;`;
}

function member(plan: Plan, entity: EntityPlan, field: FieldPlan, name: Body): string {
  // An early event may not know a field that came later.
  const json =
    field.personal && name === "shown_past"
      ? pastValue(field)
      : value(field, "r", field.optional || field.personal || name === "shown_past");
  if (name === "full" || field.readBy === null) return `',"${field.name}":', ${json}`;
  const condition = mayReadField(plan, entity, field.readBy, name === "shown" ? "r" : "today");
  return `case when ${condition} then concat(',"${field.name}":', ${json}) end`;
}

/** Of an earlier version, what its events hold: sealed, for the application to open. */
const pastValue = (field: FieldPlan): string =>
  `case when r.version = today.version then ${value(field, "today", true)} else gesta.past_value(r.id, r.version, ${literal(field.name)}) end`;

/** No sub-select around the calls: with one, PostgreSQL would not inline the function into the query. */
export const mayReadField = (plan: Plan, entity: EntityPlan, readBy: Policy, row: string): string => {
  const condition = policyCondition(plan, entity, readBy, row).replaceAll(/\(select (gesta\.\w+\(\))\)/g, "$1");
  return `gesta.is_system() or ${condition}`;
};
