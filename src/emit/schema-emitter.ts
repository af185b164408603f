import type { EntityPlan, Plan } from "../plan/plan.ts";
import { isPurgeable } from "../plan/purging.ts";
import { emitEnter, gatePolicies } from "./actors/enter-emitter.ts";
import { emitAudit } from "./audit/audit-emitter.ts";
import { emitByHand } from "./audit/by-hand-emitter.ts";
import { emitPut } from "./audit/put-emitter.ts";
import { emitDeletion, hasBarriers, lookPolicies } from "./deletion/deletion-emitter.ts";
import { emitPurge, purgeFunctionsOf } from "./deletion/purge-emitter.ts";
import { emitAggregateFunctions, emitAggregatePieces } from "./records/aggregate-functions.ts";
import { emitListFunctions } from "./records/list-functions.ts";
import { emitListPieces } from "./records/list-pieces.ts";
import { emitPastFunctions } from "./records/past-functions.ts";
import { emitReadFunctions } from "./records/read-functions.ts";
import { emitRecordJson } from "./records/record-json.ts";
import { emitSeeking, finderFunctions, findPolicy, soughtColumns, soughtFunction } from "./records/seek-function.ts";
import { emitUpcasts } from "./records/upcast-functions.ts";
import { emitEffects, emitWriteFunctions } from "./records/write-functions.ts";
import { takesBulk } from "./records/write-parts.ts";
import { emitRowSecurity, looksBehindMask, mayRead, policiesOf } from "./row-security/row-security-emitter.ts";
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
    emitUpcasts(plan),
    ...plan.entities.map((entity) => emitRowSecurity(plan, entity)),
    ...plan.entities.flatMap((entity) => [
      emitRecordJson(plan, entity),
      emitReadFunctions(plan, entity),
      emitPastFunctions(plan, entity),
      emitListFunctions(plan, entity),
      ...(entity.aggregates === null ? [] : [emitAggregateFunctions(plan, entity, entity.aggregates)]),
      emitWriteFunctions(plan, entity),
      emitByHand(entity),
      emitPut(entity),
      emitAudit(entity),
    ]),
    emitListPieces(plan),
    ...(plan.entities.every(({ aggregates }) => aggregates === null) ? [] : [emitAggregatePieces()]),
    emitEffects(plan),
    emitDeletion(plan),
    emitPurge(plan),
    emitTransitions(plan),
    // Of the application's role, too: an earlier version may have had functions that are no longer called.
    "revoke all on all functions in schema app from public, gesta_app, gesta_finder;",
    "revoke all on function gesta.apply(text, jsonb[]), gesta.apply_effects(jsonb[], text[]) from public;",
    ...plan.entities.map((entity) => emitGrants(plan, entity)),
    emitSeeking(plan),
  ].join("\n\n"),
});

/** What a database of the plan has, for the comparison with a live one. */
export const emitCatalogue = (plan: Plan) => ({
  tables: plan.entities.map((entity) => ({
    name: `app.${ident(entity.name)}`,
    columns: readableColumns(entity),
    policies: [...policiesOf(plan, entity), ...gatePolicies(plan, entity), ...lookPolicies(plan, entity), findPolicy],
    soughtColumns: soughtColumns(plan, entity),
  })),
  finder: { owns: soughtFunction, calls: finderFunctions(plan) },
  functions: [
    "gesta.enter(text)",
    ...(hasBarriers(plan) ? ["gesta.impact(text, text, text)"] : []),
    ...purgeFunctionsOf(plan),
    ...plan.entities.flatMap((entity) => grantedFunctions(plan, entity)),
  ],
});

/** What the application's role may do: read rows through policies, call the functions; never write. */
const emitGrants = (plan: Plan, entity: EntityPlan): string => {
  const table = `app.${ident(entity.name)}`;
  const columns = readableColumns(entity);
  return `${
    columns === null
      ? `grant select on ${table} to gesta_app;`
      : `revoke select on ${table} from gesta_app;
grant select (${columns.join(", ")}) on ${table} to gesta_app;`
  }
grant execute on function
  ${grantedFunctions(plan, entity).join(",\n  ")}
  to gesta_app;`;
};

function grantedFunctions(plan: Plan, entity: EntityPlan): readonly string[] {
  const { name } = entity;
  const id = entity.id === "serial" ? "bigint" : "uuid";
  return [
    `app.shown_${name}(app.${ident(name)})`,
    `app.full_${name}(app.${ident(name)})`,
    `app.read_${name}(text[], ${id}[], text[])`,
    `app.find_${name}(text[], text[], text[], text[])`,
    `app.count_${name}(text, jsonb, boolean)`,
    ...(entity.aggregates === null ? [] : [`app.aggregate_${name}(text, jsonb)`]),
    `app.load_${name}(text[], ${id}[], text[])`,
    `app.past_${name}(text[], ${id}[], timestamp with time zone[], integer[])`,
    `app.history_${name}(text[], ${id}[], boolean[], integer[], integer[], integer[])`,
    ...entity.indexes.filter(({ unique }) => unique).map(({ columns }) => `app.load_${name}_by_${columns[0]}(text[])`),
    `app.write_${name}(jsonb)`,
    ...(takesBulk(entity) ? [`app.write_all_${name}(jsonb, jsonb)`] : []),
    ...(looksBehindMask(plan, entity) ? [`${mayRead(entity)}(${id})`] : []),
    ...entity.fields
      .filter(({ kind }) => kind === "password")
      .map((field) => `app.secret_${name}_${field.name}(text, uuid)`),
  ];
}

/**
 * Row-level security cannot hide a single value: a field that has readers of its own is no column for this role. Null
 * where it may read them all.
 */
function readableColumns(entity: EntityPlan): readonly string[] | null {
  const fields = columnsOf(entity);
  if (fields.every(({ readBy }) => readBy === null)) return null;
  return [
    "id",
    ...(entity.lifecycle === null ? [] : ["status"]),
    ...fields.filter(({ readBy }) => readBy === null).map(({ name }) => ident(name)),
    ...["version", "created_at", "updated_at", "deleted_at"],
    ...(isPurgeable(entity) ? ["purged_at"] : []),
  ];
}
