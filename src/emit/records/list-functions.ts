import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { andRead } from "../row-security/policy-condition.ts";
import { ident, indent, inText, literal } from "../sql-text.ts";
import { emitDeletedQuery, listsDeleted } from "./deleted-list-functions.ts";
import { emitListed } from "./listed-fields.ts";
import { emitPastListed, emitPastQuery } from "./past-list-functions.ts";
import { type Reach, reachOf, waysOf } from "./reach.ts";
import { recordStamp } from "./record-stamp.ts";
import { isHeldBack } from "./seek-function.ts";

const asOwner = "language plpgsql security definer set search_path = pg_catalog, pg_temp as $$";

const idType = (entity: EntityPlan) => (entity.id === "serial" ? "bigint" : "uuid");

/**
 * The functions that answer lists. A list is put together in the database from the pieces that the declaration gives, so
 * whoever has the application's role can ask for nothing else; values travel in a setting of the transaction, never in a
 * text.
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
    emitCount(plan, entity, reach),
  ].join("\n\n");
}

/** A record as a line of a page: its id, its stamp and, where the asker may not know it, its JSON. */
const bareLine = (plan: Plan, entity: EntityPlan): string => `concat(r.id, ' ', ${recordStamp(plan, entity, "r")})`;
const fullLine = (plan: Plan, entity: EntityPlan): string =>
  `concat(r.id, ' ', ${recordStamp(plan, entity, "r")}, ' ', app.shown_${entity.name}(r))`;

function emitQuery(plan: Plan, entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  const rows = `from app.${ident(name)} r where r.deleted_at is null`;
  const whole = `concat('select array(select ', line, ' from (select ', shown, ' ${rows}', conditions, gesta.order_of('${name}', asked->'sort'), gesta.page_of(asked), ') page)')`;
  const said = `-- The query for a page of ${name}, as ids where it is sought, else as lines, or for all that are to be counted.`;
  const narrowed = `  if asked ? 'sought' then conditions := gesta.narrowed('${name}', asked); end if;
`;
  const opening = `create or replace function app.query_${name}(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then ${literal(`${bareLine(plan, entity)} as line`)}
    else ${literal(`${fullLine(plan, entity)} as line`)} end;
  conditions text := gesta.conditions('${name}', asked);`;
  // What is left out in the end is not made JSON of.
  const later = `if not asked ?| array['sought', 'bare'] then
  shown := ${literal(`${bareLine(plan, entity)} as line, r as whole`)};
  line := 'concat(line, '' '', app.shown_${name}(whole))';
end if;`;
  const skipped = `  if asked ? 'skips' then
${indent(later, 4)}
  end if;
`;
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
${skipped}  return ${whole};
end
$$;`;
  }
  const ways = waysOf(reach);
  if (ways.length === 0) {
    return `${said} Who may
-- not read all of them reads none.
${opening}
begin
  if not (${reach.all}) then
    return case when counting then 'select from app.${ident(name)} r where false' else 'select array[]::text[]' end;
  end if;
${narrowed}  if counting then return concat('select ${rows}', conditions); end if;
${skipped}  return ${whole};
end
$$;`;
  }
  const parts = ways.map(({ ids, found }) => {
    const select = `${rows} and ${inText(found)}`;
    return ids === null
      ? [`'(select ', shown, ', ', keys, ' ${select}', conditions, ending, ')'`]
      : [
          `'(select page.* from unnest(array(${inText(ids)})) reached (id) cross join lateral (select ', shown, ', ', keys, ' ${select}', conditions, ending, ') page)'`,
        ];
  });
  return `${said} Who may
-- not read all of them looks among those that it can reach, through an index for each way; row-level security decides
-- all the same.
${opening}
  keys text;
  ending text;
begin
  if ${reach.all} then
${indent(narrowed, 2)}    if counting then return concat('select ${rows}', conditions); end if;
${indent(skipped, 2)}    return ${whole};
  end if;
  if counting then
    return concat('select ${rows} and (${ways.map(({ own }) => inText(own)).join(" or ")})', conditions);
  end if;
${indent(later, 2)}
  keys := gesta.keys_of('${name}', asked->'sort');
  ending := concat(gesta.order_of('${name}', asked->'sort'), gesta.part_of(asked));
  return concat('select array(select ', line, ' from (select * from (',
    ${parts.flat().join(",\n    ' union all ', ")},
    ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
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
  const held = isHeldBack(plan, entity);
  const sought = (line: string) => `lines := array(select ${line}
      from unnest((select gesta.sought('${name}', asked))::${idType(entity)}[]) with ordinality s (id, nth)
      join ${table} r on r.id = s.id order by s.nth);`;
  return `-- A page of ${name} that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_${name}(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_${name}(asked, false) into lines;
${
  withDeleted
    ? `  elsif asked ? 'deleted' then
    ${sought(`app.shown_deleted_${name}(r)`)}
`
    : ""
}  elsif asked ? 'bare' then
    ${sought(bareLine(plan, entity))}
  else
    ${sought(fullLine(plan, entity))}
  end if;
  return lines;
end
$$;

-- Pages of ${name} for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and \`as_of\`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_${name}(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
${asOwner}
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('${name} bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('${name}', asked, ${held}));
        if planned then
          lines := app.found_${name}(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('${name} bare ', sight, ask), app.query_${name}(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('${name} whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('${name}', asked, ${held}));
        if planned then
          lines := app.found_${name}(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('${name} whole ', sight, ask), ${query});
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
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
