import type { EntityPlan } from "../plan/plan.ts";

/**
 * What somebody would write who has the application's role and no application: for the tests that hold the database
 * against the API. Names come from a plan, whose verifiers take snake_case alone; values are parameters.
 */
const table = ({ name }: EntityPlan): string => `app."${name}"`;
const idType = ({ id }: EntityPlan): string => (id === "serial" ? "bigint" : "uuid");

const stamps = ["id", "version", "created_at", "updated_at"];

/** The ids of all rows in their order; with `living`, of those that are not deleted. */
export const selectIds = (entity: EntityPlan, living: boolean): string =>
  `select r.id::text from ${table(entity)} r ${living ? "where r.deleted_at is null" : ""} order by r.id`;

/** One row as JSON: the columns of these fields, and whether it is deleted. */
export const selectFields = (entity: EntityPlan, fields: readonly string[]): string =>
  `select jsonb_build_object(${fields.map((name) => `'${name}', r."${name}"`).join(", ")})::text,
     (r.deleted_at is not null)::text
   from ${table(entity)} r where r.id = $1::${idType(entity)}`;

/** The columns that every record shows, whoever reads it. */
export const shownColumns = (entity: EntityPlan): readonly string[] => [
  ...stamps,
  ...(entity.lifecycle === null ? [] : ["status"]),
  ...entity.fields.filter(({ kind, readBy }) => kind !== "password" && readBy === null).map(({ name }) => name),
];

/** Ways to change rows past the actions; the application's role has none of them. */
export const directWrites = (entity: EntityPlan): readonly string[] => {
  const columns = [...shownColumns(entity), "deleted_at"];
  return [
    `insert into ${table(entity)} select * from ${table(entity)} limit 1`,
    `delete from ${table(entity)}`,
    `truncate ${table(entity)} cascade`,
    ...columns.map((name) => `update ${table(entity)} set "${name}" = "${name}"`),
    `select id from ${table(entity)} for update`,
    `update gesta.events set type = type where entity = '${entity.name}'`,
    `delete from gesta.events where entity = '${entity.name}'`,
    `select data from gesta.events where entity = '${entity.name}'`,
    `insert into gesta.workflow values ('${entity.name}', 'x', 'x', 'x')`,
  ];
};
