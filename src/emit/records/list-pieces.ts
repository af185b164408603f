import type { Plan } from "../../plan/plan.ts";
import { literal } from "../sql-text.ts";
import { folded } from "../tables/column-type.ts";
import { groupsOf } from "./aggregate-functions.ts";

/** Prepared statements of lists in one session; what comes after them is planned at every call. */
const mostPrepared = 200;

/** The functions of \`gesta\` that lists of all entities share: nobody but the owner calls them. */
const signatures = [
  "gesta.wanted(integer)",
  "gesta.wanted_all(integer)",
  "gesta.after_start(text)",
  "gesta.listed(text, text)",
  "gesta.texts(jsonb)",
  "gesta.condition(text[], text, integer, boolean)",
  "gesta.conditions(text, jsonb)",
  "gesta.sort_key(text[])",
  "gesta.beyond(text, jsonb)",
  "gesta.keys_of(text, jsonb)",
  "gesta.order_of(text, jsonb)",
  "gesta.all_among(jsonb, text[])",
  "gesta.page_of(jsonb)",
  "gesta.part_of(jsonb)",
  "gesta.signed(text)",
  "gesta.recalled(text)",
  "gesta.prepared(text, text)",
  "gesta.counted(text, boolean)",
];

/**
 * What lists are put together with. A piece is a column that the declaration names, an operator out of a fixed set, and
 * the place of a value; a query is made of nothing else.
 */
export const emitListPieces = (
  plan: Plan,
): string => `-- The value in a place of what a list was asked for, and all values in such a place.
create or replace function gesta.wanted(place integer) returns text language sql stable as $$
  select current_setting('gesta.wanted')::jsonb->>place
$$;
create or replace function gesta.wanted_all(place integer) returns text[] language sql stable as $$
  select array(select jsonb_array_elements_text(current_setting('gesta.wanted')::jsonb->place))
$$;

-- The first text after all those that start with this one: its last character that has a next one, made the next. Null
-- where there is none. Between U+D7FF and U+E000 lie no characters.
create or replace function gesta.after_start(start text) returns text language plpgsql immutable as $$
declare
  code integer;
begin
  for n in reverse length(start)..1 loop
    code := ascii(substr(start, n, 1));
    if code < 1114111 then
      return concat(left(start, n - 1), chr(case code when 55295 then 57344 else code + 1 end));
    end if;
  end loop;
  return null;
end
$$;

-- What lists of an entity, or of its past, know of a field: see \`app.listed_<entity>\` and \`app.listed_past_<entity>\`;
-- and what its groups do: \`app.aggregated_<entity>\`.
create or replace function gesta.listed(entity text, field text) returns text[] language sql immutable as $$
  select case entity
${plan.entities
  .flatMap((entity) => [
    `    when ${literal(entity.name)} then app.listed_${entity.name}(field)`,
    `    when ${literal(`past ${entity.name}`)} then app.listed_past_${entity.name}(field)`,
    `    when ${literal(`walked ${entity.name}`)} then app.listed_walked_${entity.name}(field)`,
    ...(entity.aggregates === null
      ? []
      : [`    when ${literal(groupsOf(entity))} then app.aggregated_${entity.name}(field)`]),
  ])
  .join("\n")}
  end
$$;

-- The texts in a JSON array, known while a query is planned.
create or replace function gesta.texts(list jsonb) returns text[] language plpgsql immutable as $$
begin
  return array(select jsonb_array_elements_text(list));
end
$$;

-- One filter as a condition, null for one that there is not. \`place\` is where its value stands: in the setting of the
-- transaction, which no plan knows, or in the parameter that what is sought is planned for.
create or replace function gesta.condition(piece text[], op text, place integer, known boolean)
returns text language plpgsql immutable as $$
declare
  col text := piece[1];
  type text := piece[3];
  wanted text := format(case when known then '($1->>%s)' else 'gesta.wanted(%s)' end, place);
  form text := case when known then '(%s)' else '(select %s)' end;
  value text := format(form, case type when 'email' then format('lower(%s)', wanted) else format('%s::%s', wanted, type) end);
  options text := format(case when type = 'email' then 'array(select lower(v) from unnest(%s) v)'
                              when known then '%s::%s[]'
                              else '(select %s::%s[])::%2$s[]' end,
                         format(case when known then 'gesta.texts($1->%s)' else 'gesta.wanted_all(%s)' end, place), type);
begin
  if op in ('contains', 'starts') then
    if type = 'text' then
      col := format('${folded("%s")}', col);
      value := format(form, format('${folded("%s")}', wanted));
    elsif type <> 'email' then
      return null;
    end if;
  end if;
  return case op
    when 'eq' then format('%s = %s', col, value)
    when 'ne' then format('%s is distinct from %s', col, value)
    when 'gt' then format('%s > %s', col, value)
    when 'gte' then format('%s >= %s', col, value)
    when 'lt' then format('%s < %s', col, value)
    when 'lte' then format('%s <= %s', col, value)
    when 'in' then format('%s = any (%s)', col, options)
    when 'nin' then format('(%s = any (%s)) is not true', col, options)
    when 'null' then format('%s is null', col)
    when 'not_null' then format('%s is not null', col)
    when 'has' then format('%s @> array[%s]', col, value)
    when 'contains' then format('strpos(%s, %s) > 0', col, value)
    when 'starts' then
      format('%1$s >= %2$s and (%1$s < %3$s) is not false and starts_with(%1$s, %2$s)',
             col, value, format(form, format('gesta.after_start(%s) collate "C"', value)))
  end;
end
$$;

-- The conditions of a list, each behind an 'and': a filter on what the actor may not read matches no record.
create or replace function gesta.conditions(entity text, asked jsonb) returns text language plpgsql immutable as $$
declare
  filter jsonb;
  piece text[];
  conditions text := '';
begin
  for filter in select jsonb_array_elements(asked->'filters') loop
    piece := gesta.listed(entity, filter->>0);
    if piece[1] is null then raise exception 'no filter of %: %', entity, filter; end if;
    conditions := concat(conditions, ' and (' || piece[4] || ')', ' and (' || gesta.condition(piece, filter->>1, (filter->>2)::integer, asked ? 'sought') || ')');
  end loop;
  return concat(conditions, ' and ' || gesta.beyond(entity, asked->'sort'));
end
$$;

-- These are in PL/pgSQL, since a function in SQL that is not inlined is planned anew in every transaction.
-- A key of an order: what the actor may not read sorts as if there were no value.
create or replace function gesta.sort_key(piece text[]) returns text language plpgsql immutable as $$
begin
  return case when piece[4] is null then piece[2] else format('(case when %s then %s end)', piece[4], piece[2]) end;
end
$$;

-- What comes after a record in an order; null for the first page. Each key has its field, its direction and what the
-- record has there: 'value' or 'null'; their values stand from place 3 on. Ascending, records without a value come last.
create or replace function gesta.beyond(entity text, sort jsonb) returns text language plpgsql immutable as $$
declare
  piece text[];
  key text;
  value text;
  further text;
  same text;
  keys text[];
  vals text[];
  result text;
  level boolean := true;
begin
  if sort->0->>2 = 'first' then return null; end if;
  for n in reverse jsonb_array_length(sort) - 1..0 loop
    piece := gesta.listed(entity, sort->n->>0);
    key := gesta.sort_key(piece);
    value := format('(select gesta.wanted(%s)::%s)', n + 3, case piece[3] when 'email' then 'text' else piece[3] end);
    further := format(case sort->n->>1 when 'asc' then '%s > %s' else '%s < %s' end, key, value);
    same := format('%s = %s', key, value);
    if sort->n->>2 = 'null' then
      further := case sort->n->>1 when 'desc' then format('%s is not null', key) end;
      same := format('%s is null', key);
    elsif piece[5] is not null and sort->n->>1 = 'asc' then
      further := format('(%s or %s is null)', further, key);
    end if;
    result := concat_ws(' or ', further, same || ' and (' || result || ')');
    if result = '' then result := 'false'; end if;
    keys := key || keys;
    vals := value || vals;
    level := level and piece[5] is null and sort->n->>1 = sort->0->>1;
  end loop;
  -- One direction and a value everywhere: rows can be compared, and an index starts at the right place.
  if level then
    return format(case sort->0->>1 when 'asc' then '(%s) > (%s)' else '(%s) < (%s)' end,
                  array_to_string(keys, ', '), array_to_string(vals, ', '));
  end if;
  -- Otherwise the first key alone tells an index where to start, unless records without a value come behind it.
  if sort->0->>2 = 'value' and (piece[5] is null or sort->0->>1 = 'desc') then
    result := format(case sort->0->>1 when 'asc' then '%s >= %s and (%s)' else '%s <= %s and (%s)' end, key, value, result);
  end if;
  return concat('(', result, ')');
end
$$;

-- The keys of an order as columns, and the order by these columns.
create or replace function gesta.keys_of(entity text, sort jsonb) returns text language plpgsql immutable as $$
declare
  keys text[] := '{}';
begin
  for nth in 0..jsonb_array_length(sort) - 1 loop
    keys := keys || format('%s as key_%s', gesta.sort_key(gesta.listed(entity, sort->nth->>0)), nth + 1);
  end loop;
  return array_to_string(keys, ', ');
end
$$;
create or replace function gesta.order_of(entity text, sort jsonb) returns text language plpgsql immutable as $$
declare
  key jsonb;
  name text;
  keys text[] := '{}';
begin
  for key in select jsonb_array_elements(sort) loop
    name := gesta.sort_key(gesta.listed(coalesce(entity, ''), key->>0));
    if entity is null then name := format('key_%s', cardinality(keys) + 1); end if;
    if name is null then raise exception 'no order of %: %', entity, key; end if;
    keys := keys || concat(name, case key->>1 when 'desc' then ' desc' end);
  end loop;
  return concat(' order by ', array_to_string(keys, ', '));
end
$$;

-- Whether an order, or filters, ask about nothing but some fields.
create or replace function gesta.all_among(asked jsonb, fields text[]) returns boolean language plpgsql immutable as $$
begin
  return not exists (select from jsonb_array_elements(asked) each where each->>0 <> all (fields));
end
$$;

-- How many records a page has and leaves out, and how many a part of it can have. What is sought is planned for them.
create or replace function gesta.page_of(asked jsonb) returns text language plpgsql immutable as $$
begin
  if asked ? 'sought' then
    return format(' limit %s offset %s', (asked->'values'->>1)::integer, (asked->'values'->>0)::integer);
  end if;
  return ' limit (select gesta.wanted(1)::integer) offset (select gesta.wanted(0)::integer)';
end
$$;
create or replace function gesta.part_of(asked jsonb) returns text language plpgsql immutable as $$
begin
  if asked ? 'sought' then return format(' limit %s', (asked->'values'->>2)::integer); end if;
  return ' limit (select gesta.wanted(2)::integer)';
end
$$;

-- A query is made of its pieces and planned once in a session, and then prepared under a title of what it answers: to make
-- and to plan it at every call takes longer than to run it. What stands under a title is the session's, and it may have
-- put anything there; so each is signed with a key that only the owner can read, and what is not is not run.
create or replace function gesta.signed(statement text) returns text language plpgsql stable as $$
declare
  key bytea := (select k.key from gesta.signing_key k);
begin
  return concat(statement, ' --', encode(sha256(key || sha256(key || convert_to(statement, 'UTF8'))), 'hex'));
end
$$;

-- How to run what was prepared under a title, if it was.
create or replace function gesta.recalled(title text) returns text language plpgsql as $$
declare
  entry text := concat('gesta_', md5(title));
  known text := (select p.statement from pg_prepared_statements p where p.name = entry and p.from_sql);
begin
  if known is null or not starts_with(known, concat('prepare ', entry, ' as ')) or known <> gesta.signed(left(known, -67)) then
    return null;
  end if;
  return concat('execute ', entry);
end
$$;

-- How to run a query, prepared under a title; itself where the session has prepared enough. What was not signed there goes.
create or replace function gesta.prepared(title text, statement text) returns text language plpgsql as $$
declare
  entry text := concat('gesta_', md5(title));
begin
  if (select count(*) >= ${mostPrepared} from pg_prepared_statements p) then return statement; end if;
  if exists (select from pg_prepared_statements p where p.name = entry) then execute concat('deallocate ', entry); end if;
  execute gesta.signed(concat('prepare ', entry, ' as ', statement));
  return concat('execute ', entry);
end
$$;

-- What sessions have prepared of other pieces than these is signed no more.
update gesta.signing_key set key = uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- Counts the rows of a query, for two seconds or until the statement's own limit. An estimate is exact up to a thousand.
create or replace function gesta.counted(statement text, estimated boolean) returns text language plpgsql as $$
declare
  rows refcursor;
  seen bigint;
  number bigint := 0;
  estimate json;
begin
  open rows for execute statement;
  loop
    move forward 1001 from rows;
    get diagnostics seen = row_count;
    number := number + seen;
    if seen < 1001 then return concat('counted ', number); end if;
    if estimated then
      execute concat('explain (format json) ', statement) into estimate;
      return concat('counted ', greatest(number, (estimate->0->'Plan'->>'Plan Rows')::numeric::bigint));
    end if;
    if clock_timestamp() > statement_timestamp() + interval '2 seconds' then return 'counted -'; end if;
  end loop;
exception when query_canceled then
  return 'counted -';
end
$$;

revoke all on function
  ${signatures.join(",\n  ")}
  from public;`;
