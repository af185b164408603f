import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { ident } from "../sql-text.ts";
import { emitDeletedQuery, listsDeleted } from "./deleted-list-functions.ts";
import { emitListed } from "./listed-fields.ts";
import { emitPastListed, emitPastQuery } from "./past-list-functions.ts";
import { type Reach, reachOf, waysOf } from "./reach.ts";

const asOwner = "language plpgsql security definer set search_path = pg_catalog, pg_temp as $$";

const idType = (entity: EntityPlan) => (entity.id === "serial" ? "bigint" : "uuid");
const lowest = (entity: EntityPlan) => (entity.id === "serial" ? "0" : "'00000000-0000-0000-0000-000000000000'");

/**
 * The functions that answer lists. The usual one, all records in the order of their ids, is a statement of its own.
 * Any other is put together in the database from the pieces that the declaration gives, so whoever has the
 * application's role can ask for nothing else; values travel in a setting of the transaction, never in a text.
 */
export function emitListFunctions(plan: Plan, entity: EntityPlan): string {
  const reach = reachOf(plan, entity);
  return [
    emitListed(plan, entity),
    emitQuery(entity, reach),
    ...(listsDeleted(entity) ? [emitDeletedQuery(plan, entity, reach)] : []),
    emitPastListed(plan, entity),
    emitPastQuery(entity, reach),
    emitFind(entity),
    emitList(entity, reach),
    emitCount(entity, reach),
  ].join("\n\n");
}

const page = "limit (select gesta.wanted(1)::integer) offset (select gesta.wanted(0)::integer)";

function emitQuery(entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  const rows = `from app.${ident(name)} r where r.deleted_at is null`;
  const whole = `concat('select array(select r ${rows}', conditions, gesta.order_of('${name}', asked->'sort'), ' ${page})')`;
  const said = `-- The query for a page of ${name}, or for all that are to be counted.`;
  const opening = `create or replace function app.query_${name}(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('${name}', asked);`;
  if (reach === null) {
    return `${said}
${opening}
begin
  if counting then return concat('select ${rows}', conditions); end if;
  return ${whole};
end
$$;`;
  }
  const ways = waysOf(reach);
  const parts = ways.map(({ ids, found }) => {
    const select = `${rows} and ${found}`;
    return ids === null
      ? [`'(select r as whole, ', keys, ' ${select}', conditions, ending, ')'`]
      : [
          `'(select page.* from unnest(array(${ids})) reached (id) cross join lateral (select r as whole, ', keys, ' ${select}', conditions, ending, ') page)'`,
        ];
  });
  return `${said} Who may not read all of them looks among
-- those that it can reach, through an index for each way; row-level security decides all the same.
${opening}
  keys text;
  ending text;
begin
  if ${reach.all} then
    if counting then return concat('select ${rows}', conditions); end if;
    return ${whole};
  end if;
  if counting then
    return concat('select ${rows} and (${ways.map(({ own }) => own).join(" or ")})', conditions);
  end if;
  keys := gesta.keys_of('${name}', asked->'sort');
  ending := concat(gesta.order_of('${name}', asked->'sort'), ' limit (select gesta.wanted(2)::integer)');
  return concat('select array(select whole from (',
    ${parts.flat().join(",\n    ' union all ', ")},
    ') pages', gesta.order_of(null, asked->'sort'), ' ${page})');
end
$$;`;
}

function emitFind(entity: EntityPlan): string {
  const { name } = entity;
  const deleted = listsDeleted(entity)
    ? `if asked ? 'deleted' then
    execute gesta.prepared(app.query_deleted_${name}(asked, false)) into rows;
    bodies := array(select app.shown_deleted_${name}(r) from unnest(rows) r);
  els`
    : "";
  return `-- A page of ${name} for the actor that has entered: see \`list_${name}\`.
create or replace function app.found_${name}(asked jsonb) returns text
language plpgsql as $$
declare
  rows app.${ident(name)}[];
  bodies text[];
  taken integer := (asked->'values'->>1)::integer - 1;
  last jsonb;
begin
  perform set_config('gesta.wanted', asked->>'values', true);
  ${deleted}if not asked ? 'as_of' then
    execute gesta.prepared(app.query_${name}(asked, false)) into rows;
    bodies := array(select app.shown_${name}(r) from unnest(rows) r);
  elsif (asked->>'as_of')::timestamptz > gesta.now() then
    return 'future';
  else
    execute app.query_past_${name}(asked, false) into bodies;
  end if;
  if cardinality(bodies) > taken then last := bodies[taken]; end if;
  return concat('listed ',
    case when last is null then '-' else (
      select jsonb_agg(last->(key->>0) order by nth) from jsonb_array_elements(asked->'sort') with ordinality q (key, nth)
    )::text end,
    chr(10), '[', array_to_string(bodies[:taken], ','), ']');
end
$$;

-- A page of ${name} as asked for: filters with the places of their values, the order with where to go on, and values, of
-- which the first three are how many to leave out, how many to take, and both together; and \`as_of\`, a moment. Where
-- that lies in the future: 'future'.
create or replace function app.find_${name}(who text, asked jsonb) returns text
${asOwner}
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  return app.found_${name}(asked);
end
$$;`;
}

function emitList(entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  const elsewhere =
    reach === null
      ? ""
      : `
  if not (${reach.all}) then
    return app.found_${name}(jsonb_build_object('filters', '[]'::jsonb,
      'sort', jsonb_build_array(jsonb_build_array('id', 'asc', case when after is null then 'first' else 'value' end)),
      'values', jsonb_build_array(skipped, taken + 1, skipped + taken + 1, after)));
  end if;`;
  return `-- A page in the order of ids: 'listed <keys to go on after, or ->', a line feed and a JSON array of records; or
-- 'unauthenticated'.
create or replace function app.list_${name}(who text, after ${idType(entity)}, skipped integer, taken integer) returns text
${asOwner}
declare
  bodies text[];
  ids ${idType(entity)}[];
  -- Not in the query: there PostgreSQL takes coalesce for leaky, and would ask row-level security of every row before it.
  start ${idType(entity)} := coalesce(after, ${lowest(entity)});
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;${elsewhere}
  -- Where the page begins: a record that is left out is not made JSON of.
  if skipped > 0 then
    select r.id into start from app.${ident(name)} r
      where r.deleted_at is null and r.id > start
      order by r.id
      limit 1 offset skipped - 1;
    if start is null then return concat('listed -', chr(10), '[]'); end if;
  end if;
  select array_agg(page.body), array_agg(page.id) into bodies, ids
    from (
      select r.id, app.shown_${name}(r) as body
        from app.${ident(name)} r
        where r.deleted_at is null and r.id > start
        order by r.id
        limit taken + 1
    ) page;
  return concat('listed ', case when cardinality(ids) > taken then jsonb_build_array(ids[taken])::text else '-' end,
                chr(10), '[', array_to_string(bodies[:taken], ','), ']');
end
$$;`;
}

function emitCount(entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  const readsAll = reach?.all ?? (entity.read.kind === "anyone" ? "true" : "gesta.is_system()");
  return `-- How many ${name} a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number.
create or replace function app.count_${name}(who text, asked jsonb, estimated boolean) returns text
${asOwner}
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  return gesta.counted(
    case ${listsDeleted(entity) ? `when asked ? 'deleted' then app.query_deleted_${name}(asked, true)\n         ` : ""}when asked ? 'as_of' then app.query_past_${name}(asked, true)
         else app.query_${name}(asked, true) end,
    estimated and (${readsAll}));
end
$$;`;
}
