import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { personalFields } from "../../plan/purging.ts";
import { ident, indent, literal } from "../sql-text.ts";
import { columnsOf } from "../tables/column-type.ts";
import { mayReadField } from "./record-json.ts";
import { upcastData } from "./upcast-functions.ts";
import { personalNames, streamOf } from "./write-parts.ts";

/**
 * The functions through which the past of records is read. The rights are those that the asker has on the record of
 * today: row-level security finds it, and masks look at it, deleted or not.
 */
export const emitPastFunctions = (plan: Plan, entity: EntityPlan): string =>
  [emitMasked(plan, entity), emitThen(entity), emitPast(entity), emitHistory(entity)]
    .filter((part) => part !== "")
    .join("\n\n");

const asOwner = "language plpgsql security definer set search_path = pg_catalog, pg_temp as $$";
const idType = (entity: EntityPlan) => (entity.id === "serial" ? "bigint" : "uuid");

const hasMasks = (entity: EntityPlan): boolean => columnsOf(entity).some(({ readBy }) => readBy !== null);

function emitMasked(plan: Plan, entity: EntityPlan): string {
  if (!hasMasks(entity)) return "";
  const masked = columnsOf(entity).flatMap(({ name, readBy }) =>
    readBy === null ? [] : [`case when not (${mayReadField(plan, entity, readBy, "r")}) then ${literal(name)} end`],
  );
  return `-- The fields of a record of ${entity.name} that the actor may not read.
create or replace function app.masked_${entity.name}(r app.${ident(entity.name)}) returns text
language sql stable as $$
  select concat_ws(',', ${masked.join(", ")})
$$;`;
}

/** Questions by asker, each asker entered once, with these columns besides who and which. */
const perAsker = (columns: readonly string[], answer: string, found: string): string =>
  `  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids${columns.map((name) => `, array_agg(q.${name}) as ${name}`).join("")}
      from unnest(askers, wanted, ${columns.join(", ")}) with ordinality q (who, id, ${columns.join(", ")}, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(${answer}, 'not_found')
        from unnest(asker.places, asker.ids, ${columns.map((name) => `asker.${name}`).join(", ")}) q (place, id, ${columns.join(", ")})
        left join lateral (
${indent(found, 10)}
          offset 0
        ) r on true;
  end loop;`;

function emitThen(entity: EntityPlan): string {
  const { name } = entity;
  const table = `app.${ident(name)}`;
  const stream = streamOf(entity, "today.id");
  // What is sealed is no value of a column: `shown_past_…` looks it up.
  const values = personalFields(entity).length === 0 ? "s.data" : `(s.data - ${personalNames(entity)})`;
  return `-- A record of ${name} as it was at a moment, or a version; no row where it was not.
create or replace function app.then_${name}(today ${table}, moment timestamptz, version integer) returns setof ${table}
language sql stable as $$
  select past.*
    from (
      select gesta.merged(${upcastData(entity)}) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select ${entity.evolution.length === 0 ? "" : "e.type, e.type_version, "}e.data, e.version, e.at from gesta.events e
            where e.stream_id = ${stream} and e.version <= coalesce(then_${name}.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_${name}.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::${table}, ${values} || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;`;
}

function emitPast(entity: EntityPlan): string {
  const { name } = entity;
  return `-- Records as they were at a moment or a version: the answers of \`read_${name}\`, or 'future'.
create or replace function app.past_${name}(askers text[], wanted ${idType(entity)}[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
${asOwner}
#variable_conflict use_column
declare
  asker record;
begin
${perAsker(
  ["moments", "versions"],
  "case when q.moments > gesta.now() then 'future' else r.answer end",
  `select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_${name}(past, r))
            else concat('gone ', gesta.instant(past.deleted_at)) end as answer
  from app.${ident(name)} r, lateral app.then_${name}(r, q.moments, q.versions) past
  where r.id = q.id`,
)}
end
$$;`;
}

function emitHistory(entity: EntityPlan): string {
  const { name } = entity;
  const masked = hasMasks(entity) ? `app.masked_${name}(r)` : "''";
  const columns = ["backwards", "beyond", "skipped", "taken"];
  const stream = streamOf(entity, "r.id");
  const slice = `gesta.history(${stream}, q.backwards, q.beyond, q.skipped, q.taken)`;
  const told =
    personalFields(entity).length === 0
      ? slice
      : `json_build_object('slice', ${slice}, 'aside', gesta.aside_of(${stream}))`;
  return `-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as \`read_${name}\`.
create or replace function app.history_${name}(
  askers text[], wanted ${idType(entity)}[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
${asOwner}
#variable_conflict use_column
declare
  asker record;
begin
${perAsker(columns, "r.answer", `select concat('found ', ${masked}, '/', ${told}) as answer\n  from app.${ident(name)} r where r.id = q.id`)}
end
$$;`;
}
