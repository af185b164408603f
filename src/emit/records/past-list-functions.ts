import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { ident } from "../sql-text.ts";
import { listedFields } from "./listed-fields.ts";
import type { Reach } from "./reach.ts";

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
 * indexes; the others are folded from their events, and only as many as the page needs where their order cannot have
 * changed. The moment stands in the text, since only a plan for this very moment knows which of both are few.
 */
export function emitPastQuery(entity: EntityPlan, reach: Reach | null): string {
  const { name } = entity;
  const ways = reach === null ? "" : restricted(entity, reach);
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
  show text := 'r as whole, r as today, ' || gesta.keys_of('${name}', asked->'sort');
  past_show text := 'r as whole, changed.today, ' || gesta.keys_of('past ${name}', asked->'sort');
  ending text;
  past_ending text;
  early text;
  pages text;
begin
  if counting then
    show := '1';
    past_show := '1';
  else
    ending := concat(gesta.order_of('${name}', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_ending := concat(gesta.order_of('past ${name}', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    if not exists (select from jsonb_array_elements(asked->'sort') key where key->>0 not in ('id', 'created_at')) then
      early := replace(gesta.order_of('past ${name}', asked->'sort'), 'changed.', 'today.');
    end if;
  end if;
${ways}  ${reach === null ? "" : "else\n    "}pages := concat(
${indented(everything(entity), reach === null ? 4 : 6)});
${reach === null ? "" : "  end if;\n"}  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_${name}(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;`;
}

const indented = (parts: readonly string[], by: number): string =>
  parts.map((part) => " ".repeat(by) + part).join(",\n");

/** Records that have changed, found by `found`. */
const changed = ({ name }: EntityPlan, found: string): string =>
  `' union all (select ', past_show, ' from (select today, today.id, today.created_at from app.${ident(name)} today where ', other, ' and ${found}', early, fold, past_conditions, past_ending, ')'`;

const everything = (entity: EntityPlan): readonly string[] => {
  const id = entity.id === "serial" ? "gesta.serial_id(e.stream_id)" : "e.stream_id";
  const events = `today.id in (select ${id} from gesta.events e where e.entity = ''${entity.name}'' and e.version > 1 and e.at > ', moment, ')`;
  return [
    `'(select ', show, ' from app.${ident(entity.name)} r where r.deleted_at is null', same, conditions, ending, ')'`,
    changed(entity, events),
  ];
};

/** For whoever may not read all of them: one part for each way in which a record can be theirs. */
function restricted(entity: EntityPlan, { all, branches }: Reach): string {
  const own = branches.map(({ ids, column }) =>
    ids === null ? `${column} = (select gesta.actor())` : `${column} = any (array(${ids}))`,
  );
  const ofToday = (condition: string) => condition.replaceAll(/\br\./g, "today.");
  const parts = branches.flatMap((_, nth) => {
    // Records that an earlier part has found already are left out.
    const others = own.slice(0, nth).map((condition) => ` and (${condition}) is not true`);
    const condition = `${own[nth]}${others.join("")}`;
    return [
      `'${nth === 0 ? "" : " union all "}(select ', show, ' from app.${ident(entity.name)} r where r.deleted_at is null', same, ' and ${condition}', conditions, ending, ')'`,
      changed(entity, `today.deleted_at is null and ${ofToday(condition)}`),
    ];
  });
  const deleted = changed(entity, `today.deleted_at > ', moment, ' and (${own.map(ofToday).join(" or ")})`);
  return `  if not (${all}) then
    pages := concat(
${indented([...parts, deleted], 6)});
`;
}
