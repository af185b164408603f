import { averagePlacesOf } from "../../plan/aggregates.ts";
import type { AggregatesPlan, EntityPlan, FieldPlan, Plan } from "../../plan/plan.ts";
import { policyCondition } from "../row-security/policy-condition.ts";
import { ident, literal } from "../sql-text.ts";
import { typeOf } from "./listed-fields.ts";

/** The name under which `gesta.listed` knows what aggregates of an entity may be asked about. */
export const groupsOf = ({ name }: Pick<EntityPlan, "name">): string => `groups of ${name}`;

/** The functions that answer the aggregates that the declaration allows. */
export const emitAggregateFunctions = (plan: Plan, entity: EntityPlan, aggregates: AggregatesPlan): string =>
  [emitAggregated(plan, entity, aggregates), emitAggregate(entity)].join("\n\n");

const emitAggregated = (
  plan: Plan,
  entity: EntityPlan,
  { group, of }: AggregatesPlan,
): string => `-- What aggregates of ${entity.name} may be asked about: whether its values make groups, its column, the type of its values, the
-- condition under which the actor reads it, whether there may be no value, what can be made of its values, and the
-- digits of an average.
create or replace function app.aggregated_${entity.name}(field text) returns text[] language sql immutable as $$
  select case field
${entity.members
  .flatMap((field) => {
    const measures = of.find((each) => each.field === field.name)?.measures ?? [];
    return group.includes(field.name) || measures.length > 0
      ? [aggregatedField(plan, entity, field, group.includes(field.name), measures)]
      : [];
  })
  .join("\n")}
    else '{}'
  end
$$;`;

function aggregatedField(
  plan: Plan,
  entity: EntityPlan,
  field: FieldPlan,
  grouped: boolean,
  measures: readonly string[],
): string {
  const { name, readBy, optional } = field;
  const readers =
    readBy === null ? "null" : literal(`(select gesta.is_system()) or ${policyCondition(plan, entity, readBy, "r")}`);
  const piece = [
    grouped ? "'group'" : "null",
    literal(`r.${ident(name)}`),
    literal(typeOf(field)),
    readers,
    optional || readBy !== null ? "'optional'" : "null",
    measures.length === 0 ? "null" : literal(measures.join(" ")),
    measures.includes("avg") ? literal(String(averagePlacesOf(field))) : "null",
  ];
  return `    when ${literal(name)} then array[${piece.join(", ")}]`;
}

/** It runs as the owner, as lists do, and asks for the same rows. */
const emitAggregate = (entity: EntityPlan): string => {
  const { name } = entity;
  const known = literal(groupsOf(entity));
  return `-- Groups of ${name} as asked for, of the rows that a list with these filters counts: 'grouped <values to go on after, or ->',
-- a line feed and a JSON array of groups; 'too_long' or 'unauthenticated'. Values are as in \`find_${name}\`.
create or replace function app.aggregate_${name}(who text, asked jsonb) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  bodies text[];
  taken integer := (asked->'values'->>1)::integer - 1;
  last jsonb;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  begin
    execute gesta.grouped(${known}, asked, app.query_${name}(asked, true)) into bodies;
  exception when query_canceled then
    return 'too_long';
  end;
  if cardinality(bodies) > taken then last := bodies[taken]::jsonb->'group'; end if;
  return concat('grouped ',
    case when last is null then '-' else (
      select jsonb_agg(last->(key->>0) order by nth) from jsonb_array_elements(asked->'groups') with ordinality q (key, nth)
    )::text end,
    chr(10), '[', array_to_string(bodies[:taken], ','), ']');
end
$$;`;
};

/** What aggregates of all entities share: nobody but the owner calls it. */
export const emitAggregatePieces = (): string =>
  `-- What is made of the values in a column, null for what may not be. Numbers are exact; an average is rounded, half away
-- from zero.
create or replace function gesta.measured(piece text[], measure text, col text) returns text language plpgsql immutable as $$
begin
  return case
    when (measure = any (string_to_array(piece[6], ' '))) is not true then null
    when measure = 'sum' then format('trim_scale(sum(%s))', col)
    when measure = 'avg' then format('trim_scale(round(avg(%s), %s))', col, piece[7])
    when piece[3] = 'timestamptz' then format('gesta.instant(%s(%s))', measure, col)
    when piece[3] = 'date' then format('%s(%s)', measure, col)
    else format('trim_scale(%s(%s))', measure, col)
  end;
end
$$;

-- The query for a page of groups of the rows that another one counts. What the actor may not read is as if there were no
-- value. Each measure has its fields: [["sum", ["price"]]].
create or replace function gesta.grouped(entity text, asked jsonb, counted text) returns text language plpgsql immutable as $$
declare
  groups jsonb := asked->'groups';
  columns text[] := '{}';
  keys text[] := '{}';
  shown text[] := '{}';
  members text[];
  many jsonb;
  field text;
  piece text[];
  formula text;
begin
  for nth in 0..jsonb_array_length(groups) - 1 loop
    field := groups->nth->>0;
    piece := gesta.listed(entity, field);
    if piece[1] is null then raise exception 'no %: %', entity, field; end if;
    columns := columns || format('%s as key_%s', gesta.sort_key(piece), nth + 1);
    keys := keys || format('key_%s', nth + 1);
    members := members || format('%L, key_%s', field, nth + 1);
  end loop;
  shown := shown || format('''group'', json_build_object(%s), ''count'', count(*)', array_to_string(members, ', '));
  for many in select jsonb_array_elements(asked->'measures') loop
    members := '{}';
    for field in select jsonb_array_elements_text(many->1) loop
      piece := gesta.listed(entity, field);
      formula := gesta.measured(piece, many->>0, format('value_%s', cardinality(columns) + 1));
      if formula is null then raise exception 'no % of %: %', many->>0, entity, field; end if;
      columns := columns || format('%s as value_%s', gesta.sort_key(piece), cardinality(columns) + 1);
      members := members || format('%L, %s', field, formula);
    end loop;
    shown := shown || format('%L, json_build_object(%s)', many->>0, array_to_string(members, ', '));
  end loop;
  return concat('select array(select json_build_object(', array_to_string(shown, ', '), ')::text',
    ' from (select ', array_to_string(columns, ', '), substr(counted, length('select') + 1),
    case when jsonb_array_length(groups) > 0 then ' and ' || gesta.beyond(entity, groups) end, ') r',
    ' group by ' || nullif(array_to_string(keys, ', '), ''), ' order by ' || nullif(array_to_string(keys, ', '), ''),
    ' limit (select gesta.wanted(1)::integer))');
end
$$;

revoke all on function
  gesta.measured(text[], text, text),
  gesta.grouped(text, jsonb, text)
  from public;`;
