import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { ident, indent, inText, literals } from "../sql-text.ts";
import { lastingFields, stampedFields } from "./lasting-fields.ts";
import { listedFields } from "./listed-fields.ts";
import { type Reach, waysOf } from "./reach.ts";

/** Changes since a moment up to which all that has changed is folded, whatever is asked for: some milliseconds. */
const fewChanges = 100;

/** What lists ask of records as they were, judged by the record of today: where all are folded, and where they are walked. */
export function emitPastListed(plan: Plan, entity: EntityPlan): string {
  const listed = (title: string, lasting: readonly string[]) => {
    const columnOf = (field: string) => `${lasting.includes(field) ? "changed" : "r"}.${ident(field)}`;
    return `create or replace function app.listed_${title}_${entity.name}(field text) returns text[] language sql immutable as $$
${listedFields(plan, entity, columnOf, "(changed.today)")}
$$;`;
  };
  return `-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
${listed("past", stampedFields)}
-- The same where what no action changes is taken from the record of today.
${listed("walked", lastingFields(entity))}`;
}

/**
 * A list as of a moment is found in one of two ways. Where its order cannot have changed, the records of today are walked
 * in it, by the index that a list of today would use, and folded as they come until the page is full; what cannot have
 * changed is filtered before. Otherwise it is two lists: what has not changed since comes from the table by its indexes,
 * and all that has is folded from its events. The moment stands in the text, since only a plan for this very moment knows
 * which are few.
 */
export function emitPastQuery(entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  return `-- The query for a page of ${name} as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_${name}(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_${name}(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('${name}', asked);
  past_conditions text := gesta.conditions('past ${name}', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := ${literals(lastingFields(entity))};
  walked text := 'walked ${name}';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('${name}', asked->'sort');
    ending := concat(gesta.order_of('${name}', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past ${name}', asked->'sort');
    past_ending := concat(gesta.order_of('past ${name}', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('${name}', at) then
      lasting := ${literals(stampedFields)};
      walked := 'past ${name}';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('${name}', at, ${fewChanges}))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_${name}(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', ${literals(stampedFields)}) then
        early := replace(gesta.order_of('past ${name}', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
${reach === null ? everything(entity) : restricted(entity, reach)}  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_${name}(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;`;
}

/** Records that have not changed. */
const same = (table: string, found: string): string =>
  `'(select ', show, ' from ${table} r where r.deleted_at is null', same, '${found}', conditions, ending, ')'`;

/** Records that have, given as a query for them as they are today. */
const past = (today: string): string =>
  `'(select ', past_show, ' from (${today}', early, fold, past_conditions, past_ending, ')'`;

const today = (table: string, found: string): string =>
  `select today, today.id, today.created_at from ${table} today where ', other, ' and ${found}`;

/** Records of today in an order that lasts, each as it was. */
function walked(entity: EntityPlan, found: string): string {
  const columns = ["today", ...lastingFields(entity).map((field) => `today.${ident(field)}`)].join(", ");
  return `'(select ', walked_show, ' from (select ${columns} from ${tableOf(entity)} today where today.deleted_at is null and today.created_at <= ', moment, '${found}', walk, ')'`;
}

const deletedSince = (entity: EntityPlan, found: string): string =>
  past(today(tableOf(entity), `today.deleted_at > ', moment, '${found}`));

const tableOf = ({ name }: EntityPlan): string => `app.${ident(name)}`;

const together = (parts: readonly string[]): string =>
  `pages := concat(
${indent(parts.join(",\n' union all ', "), 2)});`;

/** For whoever may read all of them. */
function everything(entity: EntityPlan): string {
  const { name, id: kind } = entity;
  const table = tableOf(entity);
  const id = kind === "serial" ? "gesta.serial_id(e.stream_id)" : "e.stream_id";
  const events = `select ${id} from gesta.events e where e.entity = ''${name}'' and e.version > 1 and e.at > ', moment, '`;
  return `  if walk is not null then
${indent(together([walked(entity, ""), deletedSince(entity, "")]), 4)}
  else
${indent(together([same(table, ""), past(today(table, `today.id in (${events})`))]), 4)}
  end if;
`;
}

/** For the others: parts for each way in which a record can be theirs. */
function restricted(entity: EntityPlan, reach: Reach): string {
  const table = tableOf(entity);
  const ofToday = (condition: string) => condition.replaceAll(/\br\./g, "today.");
  const ways = waysOf(reach).map(({ ids, own, found }) => ({
    ids: ids === null ? null : inText(ids),
    own: inText(own),
    found: inText(found),
  }));
  const each = (ids: string) => `unnest(array(${ids})) reached (id) cross join lateral`;
  const paged = (ids: string | null, part: string) =>
    ids === null ? part : `'(select page.* from ${each(ids)} ', ${part}, ' page)'`;
  const walks = ways.map(({ ids, found }) => paged(ids, walked(entity, ` and ${ofToday(found)}`)));
  const folds = ways.flatMap(({ ids, found }) => {
    const living = today(table, `today.deleted_at is null and ${ofToday(found)}`);
    return [
      paged(ids, same(table, ` and ${found}`)),
      past(
        ids === null ? living : `select * from (select living.* from ${each(ids)} (${living} offset 0) living) today`,
      ),
    ];
  });
  const deleted = deletedSince(entity, ` and (${ways.map(({ own }) => ofToday(own)).join(" or ")})`);
  return `  if not (${reach.all}) and walk is not null then
${indent(together([...walks, deleted]), 4)}
  elsif not (${reach.all}) then
${indent(together([...folds, deleted]), 4)}
${everything(entity).replace("if walk", "elsif walk")}`;
}
