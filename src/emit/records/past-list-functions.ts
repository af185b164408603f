import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { ident, indent } from "../sql-text.ts";
import { listedFields } from "./listed-fields.ts";
import { type Reach, waysOf } from "./reach.ts";

/** What never changes in the life of a record. */
const lasting = ["id", "created_at"];

/** The same for records that have changed since: values as they were, judged by the record of today. */
export const emitPastListed = (plan: Plan, entity: EntityPlan): string =>
  `-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_${entity.name}(field text) returns text[] language sql immutable as $$
${listedFields(plan, entity, (name) => (lasting.includes(name) ? `changed.${name}` : `r.${ident(name)}`), "(changed.today)")}
$$;`;

/**
 * A list as of a moment is two: records that have not changed since are as they were, and come from the table by its
 * indexes; the others are folded from their events. Where the order cannot have changed and nothing is filtered, the
 * records are walked in it, and no more are folded than the page has. The moment stands in the text, since only a plan
 * for this very moment knows which are few.
 */
export function emitPastQuery(entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  return `-- The query for a page of ${name} as of a moment, or for all that are to be counted: what has not changed since, and what
-- has, as it was.
create or replace function app.query_past_${name}(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  moment text := format('%L::timestamptz', gesta.instant((asked->>'as_of')::timestamptz));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_${name}(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('${name}', asked);
  past_conditions text := gesta.conditions('past ${name}', asked);
  show text := '1';
  past_show text := '1';
  past_keys text;
  ending text;
  past_ending text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('${name}', asked->'sort');
    past_keys := gesta.keys_of('past ${name}', asked->'sort');
    past_show := concat('r as whole, changed.today, ', past_keys);
    ending := concat(gesta.order_of('${name}', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_ending := concat(gesta.order_of('past ${name}', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    if not exists (select from jsonb_array_elements(asked->'sort') key where key->>0 not in ('id', 'created_at')) then
      early := replace(gesta.order_of('past ${name}', asked->'sort'), 'changed.', 'today.');
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

const together = (parts: readonly string[]): string =>
  `pages := concat(
${indent(parts.join(",\n' union all ', "), 2)});`;

/** For whoever may read all of them. */
function everything({ name, id: kind }: EntityPlan): string {
  const table = `app.${ident(name)}`;
  const id = kind === "serial" ? "gesta.serial_id(e.stream_id)" : "e.stream_id";
  const events = `select ${id} from gesta.events e where e.entity = ''${name}'' and e.version > 1 and e.at > ', moment, '`;
  const walk = `'(select r.whole, changed.today, ', past_keys, ' from (select today, today.id, today.created_at from ${table} today where today.deleted_at is null and today.created_at <= ', moment, early,
  ') changed cross join lateral (select t as whole from app.then_${name}(changed.today, ', moment, ', null) t where (changed.today).updated_at > ', moment, ' and t.deleted_at is null',
  ' union all select changed.today where (changed.today).updated_at <= ', moment, ') r where true', past_conditions, past_ending, ')'`;
  return `  if early is not null and jsonb_array_length(asked->'filters') = 0 then
${indent(together([walk, past(today(table, "today.deleted_at > ', moment, '"))]), 4)}
  else
${indent(together([same(table, ""), past(today(table, `today.id in (${events})`))]), 4)}
  end if;
`;
}

/** For the others: parts for each way in which a record can be theirs. */
function restricted(entity: EntityPlan, reach: Reach): string {
  const table = `app.${ident(entity.name)}`;
  const ofToday = (condition: string) => condition.replaceAll(/\br\./g, "today.");
  const ways = waysOf(reach);
  const parts = ways.flatMap(({ ids, found }) => {
    const unchanged = same(table, ` and ${found}`);
    const living = today(table, `today.deleted_at is null and ${ofToday(found)}`);
    if (ids === null) return [unchanged, past(living)];
    const each = `unnest(array(${ids})) reached (id) cross join lateral`;
    return [
      `'(select page.* from ${each} ', ${unchanged}, ' page)'`,
      past(`select * from (select living.* from ${each} (${living} offset 0) living) today`),
    ];
  });
  const deleted = past(
    today(table, `today.deleted_at > ', moment, ' and (${ways.map(({ own }) => ofToday(own)).join(" or ")})`),
  );
  return `  if not (${reach.all}) then
${indent(together([...parts, deleted]), 4)}
${everything(entity).replace("if early", "elsif early")}`;
}
