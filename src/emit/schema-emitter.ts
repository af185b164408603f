import type { EntityPlan, Plan } from "../plan/plan.ts";
import { emitEnter } from "./actors/enter-emitter.ts";
import { emitReadFunctions } from "./records/read-functions.ts";
import { emitRecordJson } from "./records/record-json.ts";
import { emitEffects, emitWriteFunctions } from "./records/write-functions.ts";
import { emitRowSecurity } from "./row-security/row-security-emitter.ts";
import { ident } from "./sql-text.ts";
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
    ...plan.entities.map(emitGrants),
  ].join("\n\n"),
});

/** What the application's role may do: read rows through policies, call the functions; never write. */
function emitGrants(entity: EntityPlan): string {
  const { name } = entity;
  const id = entity.id === "serial" ? "bigint" : "uuid";
  const functions = [
    `app.shown_${name}(app.${ident(name)})`,
    `app.full_${name}(app.${ident(name)})`,
    `app.read_${name}(text[], ${id}[])`,
    `app.list_${name}(text, ${id}, integer, integer)`,
    `app.load_${name}(text[], ${id}[])`,
    ...entity.indexes.filter(({ unique }) => unique).map(({ columns }) => `app.load_${name}_by_${columns[0]}(text[])`),
    `app.write_${name}(jsonb)`,
    ...entity.fields
      .filter(({ kind }) => kind === "password")
      .map((field) => `app.secret_${name}_${field.name}(text, uuid)`),
  ];
  return `grant select on app.${ident(name)} to gesta_app;
grant execute on function
  ${functions.join(",\n  ")}
  to gesta_app;`;
}
