import type { EntityPlan, Plan } from "../plan/plan.ts";
import { emitEnter } from "./actors/enter-emitter.ts";
import { emitReadFunctions } from "./records/read-functions.ts";
import { emitRecordJson } from "./records/record-json.ts";
import { emitEffects, emitWriteFunctions } from "./records/write-functions.ts";
import { emitRowSecurity, looksBehindMask, mayRead } from "./row-security/row-security-emitter.ts";
import { ident } from "./sql-text.ts";
import { columnsOf } from "./tables/column-type.ts";
import { emitIndexes, emitReferences, emitTable } from "./tables/table-emitter.ts";
import { emitTransitions } from "./workflow/transitions-emitter.ts";

/** The database of an application, as SQL. */
export interface Schema {
  /** Tables, indexes and references: they hold data, so they are made once and then migrated. */
  readonly tables: string;
  /** Functions, policies, grants and the workflow: they hold none, so they are made anew at every change. */
  readonly objects: string;
}

export const emitSchema = (plan: Plan): Schema => ({
  tables: [...plan.entities.map(emitTable), ...plan.entities.map(emitIndexes), ...plan.entities.map(emitReferences)]
    .filter((part) => part !== "")
    .join("\n\n"),
  objects: [
    emitEnter(plan),
    ...plan.entities.map((entity) => emitRowSecurity(plan, entity)),
    ...plan.entities.flatMap((entity) => [
      emitRecordJson(plan, entity),
      emitReadFunctions(entity),
      emitWriteFunctions(entity),
    ]),
    emitEffects(plan),
    emitTransitions(plan),
    "revoke all on all functions in schema app from public;",
    ...plan.entities.map((entity) => emitGrants(plan, entity)),
  ].join("\n\n"),
});

/** What the application's role may do: read rows through policies, call the functions; never write. */
function emitGrants(plan: Plan, entity: EntityPlan): string {
  const { name } = entity;
  const table = `app.${ident(name)}`;
  const id = entity.id === "serial" ? "bigint" : "uuid";
  const functions = [
    `app.shown_${name}(app.${ident(name)})`,
    `app.full_${name}(app.${ident(name)})`,
    `app.read_${name}(text[], ${id}[])`,
    `app.list_${name}(text, ${id}, integer, integer)`,
    `app.load_${name}(text[], ${id}[])`,
    ...entity.indexes.filter(({ unique }) => unique).map(({ columns }) => `app.load_${name}_by_${columns[0]}(text[])`),
    `app.write_${name}(jsonb)`,
    ...(looksBehindMask(plan, entity) ? [`${mayRead(entity)}(${id})`] : []),
    ...entity.fields
      .filter(({ kind }) => kind === "password")
      .map((field) => `app.secret_${name}_${field.name}(text, uuid)`),
  ];
  return `${readableColumns(entity, table)}
grant execute on function
  ${functions.join(",\n  ")}
  to gesta_app;`;
}

/** Row-level security cannot hide a single value: a field that has readers of its own is no column for this role. */
function readableColumns(entity: EntityPlan, table: string): string {
  const fields = columnsOf(entity);
  if (fields.every(({ readBy }) => readBy === null)) return `grant select on ${table} to gesta_app;`;
  const columns = [
    "id",
    ...(entity.lifecycle === null ? [] : ["status"]),
    ...fields.filter(({ readBy }) => readBy === null).map(({ name }) => ident(name)),
    ...["version", "created_at", "updated_at", "deleted_at"],
  ];
  return `revoke select on ${table} from gesta_app;
grant select (${columns.join(", ")}) on ${table} to gesta_app;`;
}
