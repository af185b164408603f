import { isOpen } from "../../plan/open-entities.ts";
import type { EntityPlan, IndexPlan, Plan } from "../../plan/plan.ts";
import { ident, indent } from "../sql-text.ts";
import { columnsOf, columnType } from "../tables/column-type.ts";
import { recordStamp, wholeStamp } from "./record-stamp.ts";

/**
 * The functions through which records are read. One statement answers many callers: each actor enters once, all of
 * its questions are answered in one query, and row-level security decides for each actor apart. An answer is one text:
 * the outcome, and what belongs to it; `place` says which question it belongs to.
 */
export const emitReadFunctions = (plan: Plan, entity: EntityPlan): string =>
  [
    emitRead(plan, entity),
    emitLoad(plan, entity),
    ...entity.indexes.filter(({ unique }) => unique).map((index) => emitLoadBy(entity, index)),
  ].join("\n\n");

/** They run as the owner, whom row-level security binds too: the caller's role lacks the columns of masked fields. */
const asOwner = "language plpgsql security definer set search_path = pg_catalog, pg_temp as $$";

const idType = (entity: EntityPlan) => (entity.id === "serial" ? "bigint" : "uuid");

const perAsker = (body: string, more: readonly string[] = []): string => `  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids${more.map((name) => `, array_agg(q.${name}) as ${name}`).join("")}
      from unnest(${["askers", "wanted", ...more].join(", ")}) with ordinality q (${["who", "id", ...more].join(", ")}, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
${indent(body, 4)}
  end loop;`;

/** The record with an asker's id, or nulls. \`offset 0\` keeps this a look-up by id, whatever the statistics say. */
const oneById = (entity: EntityPlan, columns: string): string =>
  `left join lateral (
  select ${columns} from app.${ident(entity.name)} r where r.id = q.id offset 0
) r on true`;

function emitRead(plan: Plan, entity: EntityPlan): string {
  const { name } = entity;
  const stamp = recordStamp(plan, entity, "r");
  const answer = `case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
         when q.known = ${stamp} then 'same'
         else concat('found ', ${stamp}, ' ', app.shown_${name}(r)) end as answer`;
  return `-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_${name}(askers text[], wanted ${idType(entity)}[], known text[])
returns table (place bigint, answer text)
${asOwner}
declare
  asker record;
begin
${perAsker(
  `return query
  select q.place, coalesce(r.answer, 'not_found')
    from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
${indent(oneById(entity, answer), 4)};`,
  ["known"],
)}
end
$$;`;
}

function emitLoad(plan: Plan, entity: EntityPlan): string {
  const { name } = entity;
  const stamp = wholeStamp(plan, entity, "r");
  const answer = (seen: string) =>
    `concat('${seen}', case when r.deleted_at is not null then '_gone' end, ' ', ${stamp},
         case when q.known is distinct from ${stamp} then concat(' ', app.full_${name}(r)) end) as answer`;
  // What everybody may read needs nobody to enter: one query for all of them.
  const open = isOpen(plan, entity);
  return `-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'${
    open
      ? ""
      : `
-- or 'unauthenticated'`
  }.
create or replace function app.load_${name}(askers text[], wanted ${idType(entity)}[], known text[])
returns table (place bigint, answer text)
${asOwner}
${open ? loadForAll(entity, answer("visible")) : loadPerAsker(entity, answer)}
$$;`;
}

const loadForAll = (entity: EntityPlan, answer: string): string => `begin
  perform gesta.enter('system');
  return query
    select q.place, coalesce(r.answer, 'missing')
      from unnest(wanted, known) with ordinality q (id, known, place)
${indent(oneById(entity, answer), 6)};
end`;

const loadPerAsker = (entity: EntityPlan, answer: (seen: string) => string): string => `declare
  asker record;
  seen text[];
begin
${perAsker(
  `select array_agg(r.answer order by q.nth) into seen
  from unnest(asker.ids, asker.known) with ordinality q (id, known, nth)
${indent(oneById(entity, answer("visible")), 2)};
if array_position(seen, null) is not null then
  perform gesta.enter('system');
end if;
return query
  select q.place, coalesce(q.answer, r.answer, 'missing')
    from unnest(asker.places, asker.ids, asker.known, seen) q (place, id, known, answer)
    left join lateral (
      select ${answer("hidden")} from app.${ident(entity.name)} r where r.id = q.id and q.answer is null offset 0
    ) r on true;`,
  ["known"],
)}
end`;

function emitLoadBy(entity: EntityPlan, { columns: [key = ""], caseless }: IndexPlan): string {
  const { name } = entity;
  const column = `r.${ident(key)}`;
  const field = columnsOf(entity).find((each) => each.name === key);
  const type = field === undefined ? "text" : columnType(field);
  const value = type.startsWith("text") ? "q.value" : `q.value::${type}`;
  return `-- The records with exactly these values of ${key}, whole, for decisions: 'hidden <json>' or 'missing'.
create or replace function app.load_${name}_by_${key}(wanted text[])
returns table (place bigint, answer text)
${asOwner}
begin
  perform gesta.enter('system');
  return query
    select q.place, coalesce(r.answer, 'missing')
      from unnest(wanted) with ordinality q (value, place)
      left join lateral (
        select concat('hidden ', app.full_${name}(r)) as answer
          from app.${ident(name)} r
          where ${caseless !== null ? `lower(${column}) = lower(q.value)` : `${column} = ${value}`} and r.deleted_at is null
        offset 0
      ) r on true;
end
$$;`;
}
