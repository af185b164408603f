import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { andRead } from "../row-security/policy-condition.ts";
import { ident, indent, inText, literal } from "../sql-text.ts";
import { emitDeletedQuery, listsDeleted } from "./deleted-list-functions.ts";
import { emitListed } from "./listed-fields.ts";
import { emitPastListed, emitPastQuery } from "./past-list-functions.ts";
import { type Reach, reachOf, waysOf } from "./reach.ts";
import { isHeldBack } from "./seek-function.ts";

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
  const single = reach !== null && reach.branches.length > 0 ? reach : null;
  return [
    emitListed(plan, entity),
    emitQuery(plan, entity, reach),
    ...(listsDeleted(entity) ? [emitDeletedQuery(plan, entity, single)] : []),
    emitPastListed(plan, entity),
    emitPastQuery(entity, single),
    emitFind(plan, entity),
    emitList(entity, reach),
    emitCount(plan, entity, reach),
  ].join("\n\n");
}

function emitQuery(plan: Plan, entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  const rows = `from app.${ident(name)} r where r.deleted_at is null`;
  const whole = `concat('select array(select ', shown, ' ${rows}', conditions, gesta.order_of('${name}', asked->'sort'), gesta.page_of(asked), ')')`;
  const said = `-- The query for a page of ${name}, for the ids of it where it is sought, or for all that are to be
-- counted.`;
  const narrowed = `  if asked ? 'sought' then conditions := gesta.narrowed('${name}', asked); end if;
`;
  const opening = `create or replace function app.query_${name}(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  shown text := case when asked ? 'sought' then 'r.id' else 'r' end;
  conditions text := gesta.conditions('${name}', asked);`;
  if (reach === null) {
    const read = andRead(plan, entity, "r");
    const unheld =
      read === ""
        ? ""
        : `  -- Whoever seeks is held back by no policy.
  if asked ? 'sought' then conditions := concat(${literal(read)}, conditions); end if;
`;
    return `${said}
${opening}
begin
${narrowed}${unheld}  if counting then return concat('select ${rows}', conditions); end if;
  return ${whole};
end
$$;`;
  }
  const ways = waysOf(reach);
  if (ways.length === 0) {
    return `${said} Who may not read all of them reads none.
${opening}
begin
  if not (${reach.all}) then
    return case when counting then 'select from app.${ident(name)} r where false' else 'select array[]::app.${ident(name)}[]' end;
  end if;
${narrowed}  if counting then return concat('select ${rows}', conditions); end if;
  return ${whole};
end
$$;`;
  }
  const parts = ways.map(({ ids, found }) => {
    const select = `${rows} and ${inText(found)}`;
    return ids === null
      ? [`'(select ', shown, ' as whole, ', keys, ' ${select}', conditions, ending, ')'`]
      : [
          `'(select page.* from unnest(array(${inText(ids)})) reached (id) cross join lateral (select ', shown, ' as whole, ', keys, ' ${select}', conditions, ending, ') page)'`,
        ];
  });
  return `${said} Who may not read all of them looks among those that it can reach, through an index for each way;
-- row-level security decides all the same.
${opening}
  keys text;
  ending text;
begin
  if ${reach.all} then
${indent(narrowed, 2)}    if counting then return concat('select ${rows}', conditions); end if;
    return ${whole};
  end if;
  if counting then
    return concat('select ${rows} and (${ways.map(({ own }) => inText(own)).join(" or ")})', conditions);
  end if;
  keys := gesta.keys_of('${name}', asked->'sort');
  ending := concat(gesta.order_of('${name}', asked->'sort'), gesta.part_of(asked));
  return concat('select array(select whole from (',
    ${parts.flat().join(",\n    ' union all ', ")},
    ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ')');
end
$$;`;
}

function emitFind(plan: Plan, entity: EntityPlan): string {
  const { name } = entity;
  const table = `app.${ident(name)}`;
  const withDeleted = listsDeleted(entity);
  const query = withDeleted
    ? `case when asked ? 'deleted' then app.query_deleted_${name}(asked, false) else app.query_${name}(asked, false) end`
    : `app.query_${name}(asked, false)`;
  const shown = `bodies := array(select app.shown_${name}(r) from unnest(rows) r);`;
  return `-- A page of ${name} for the actor that has entered: see \`list_${name}\`.
create or replace function app.found_${name}(asked jsonb) returns text
language plpgsql as $$
declare
  rows ${table}[];
  bodies text[];
  taken integer := (asked->'values'->>1)::integer - 1;
  last jsonb;
begin
  perform set_config('gesta.wanted', asked->>'values', true);
  if asked ? 'as_of' and (asked->>'as_of')::timestamptz > gesta.now() then return 'future'; end if;
  if asked ? 'as_of' then
    execute app.query_past_${name}(asked, false) into bodies;
  else
    if gesta.is_sought('${name}', asked, ${isHeldBack(plan, entity)}) then
      rows := array(select r from unnest((select gesta.sought('${name}', asked))::${idType(entity)}[]) with ordinality s (id, nth)
        join ${table} r on r.id = s.id order by s.nth);
    else
      execute gesta.prepared(${query}) into rows;
    end if;
    ${
      withDeleted
        ? `if asked ? 'deleted' then
      bodies := array(select app.shown_deleted_${name}(r) from unnest(rows) r);
    else
      ${shown}
    end if;`
        : shown
    }
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

function emitCount(plan: Plan, entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  const readsAll = reach?.all ?? (entity.read.kind === "anyone" ? "true" : "gesta.is_system()");
  return `-- How many ${name} a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_${name}(who text, asked jsonb, estimated boolean) returns text
${asOwner}
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('${name}', asked, ${isHeldBack(plan, entity)}) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('${name}', thousand))::${idType(entity)}[]) s (id) join app.${ident(name)} r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case ${listsDeleted(entity) ? `when asked ? 'deleted' then app.query_deleted_${name}(asked, true)\n         ` : ""}when asked ? 'as_of' then app.query_past_${name}(asked, true)
         else app.query_${name}(asked, true) end,
    estimated and (${readsAll}));
end
$$;`;
}
