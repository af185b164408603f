import type { EntityPlan, FieldKind, FieldPlan, Plan } from "../../plan/plan.ts";
import { policyCondition } from "../row-security/policy-condition.ts";
import { ident } from "../sql-text.ts";
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

function value(field: FieldPlan, row: string): string {
  const column = `${row}.${ident(field.name)}`;
  const conversion =
    field.kind === "reference" ? (field.targetId === "serial" ? asText : plain) : conversions[field.kind];
  const json = conversion(column);
  return field.optional ? `coalesce(${json.startsWith("to_json") ? `${json}::text` : json}, 'null')` : json;
}

/**
 * A record as JSON text, built where it lies: the reply's bytes, never parsed on their way to the caller.
 * `shown` holds what the actor may read, `full` all that services need; passwords are in neither.
 */
export function emitRecordJson(plan: Plan, entity: EntityPlan): string {
  return [body(plan, entity, "shown", "what the actor may read"), body(plan, entity, "full", "all but passwords")].join(
    "\n\n",
  );
}

function body(plan: Plan, entity: EntityPlan, name: "shown" | "full", says: string): string {
  const id = entity.id === "serial" ? `'{"id":', r.id` : `'{"id":"', r.id, '"'`;
  const members = columnsOf(entity).map((field) => member(plan, entity, field, name === "shown"));
  const lines = [
    id,
    ...(entity.lifecycle === null ? [] : [`',"status":"', r.status, '"'`]),
    ...members,
    `',"version":', r.version`,
    `',"created_at":"', gesta.instant(r.created_at)`,
    `'","updated_at":"', gesta.instant(r.updated_at), '"}'`,
  ];
  return `-- A record of ${entity.name} as JSON: ${says}.
create or replace function app.${name}_${entity.name}(r app.${ident(entity.name)}) returns text
language sql stable as $$
  select concat(
    ${lines.join(",\n    ")}
  )
$$;`;
}

function member(plan: Plan, entity: EntityPlan, field: FieldPlan, masked: boolean): string {
  const json = value(field, "r");
  if (!masked || field.readBy === null) return `',"${field.name}":', ${json}`;
  // No sub-select around the calls: with one, PostgreSQL would not inline this function into the query.
  const condition = policyCondition(plan, entity, field.readBy, "r").replaceAll(/\(select (gesta\.\w+\(\))\)/g, "$1");
  return `case when gesta.is_system() or ${condition} then concat(',"${field.name}":', ${json}) end`;
}
