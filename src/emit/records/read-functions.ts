import type { EntityPlan } from "../../plan/plan.ts";
import { ident } from "../sql-text.ts";

/**
 * The functions through which records are read. Each enters the actor first, so one statement can answer many
 * callers, and row-level security decides for each of them. The reply is one text: the outcome, and what belongs to it.
 */
export const emitReadFunctions = (entity: EntityPlan): string =>
  [
    emitRead(entity),
    emitList(entity),
    emitLoad(entity),
    ...entity.indexes
      .filter(({ unique }) => unique)
      .map(({ columns: [key = ""], caseless }) => emitLoadBy(entity, key, caseless)),
  ].join("\n\n");

const idType = (entity: EntityPlan) => (entity.id === "serial" ? "bigint" : "uuid");
const lowest = (entity: EntityPlan) => (entity.id === "serial" ? "0" : "'00000000-0000-0000-0000-000000000000'");

function emitRead(entity: EntityPlan): string {
  const { name } = entity;
  return `-- One record for one actor: 'found <version> <json>', 'gone <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_${name}(who text, wanted ${idType(entity)}) returns text
language plpgsql as $$
declare
  answer text;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select case when r.deleted_at is null then concat('found ', r.version, ' ', app.shown_${name}(r))
              else concat('gone ', gesta.instant(r.deleted_at)) end
    into answer
    from app.${ident(name)} r
    where r.id = wanted;
  return coalesce(answer, 'not_found');
end
$$;`;
}

function emitList(entity: EntityPlan): string {
  const { name } = entity;
  return `-- A page in the order of ids: 'listed <id to go on after, or -> <json array>' or 'unauthenticated'.
create or replace function app.list_${name}(who text, after ${idType(entity)}, skipped integer, taken integer) returns text
language plpgsql as $$
declare
  bodies text[];
  ids ${idType(entity)}[];
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select array_agg(page.body), array_agg(page.id) into bodies, ids
    from (
      select r.id, app.shown_${name}(r) as body
        from app.${ident(name)} r
        where r.deleted_at is null and r.id > coalesce(after, ${lowest(entity)})
        order by r.id
        limit taken + 1 offset skipped
    ) page;
  return concat('listed ', case when cardinality(ids) > taken then ids[taken]::text else '-' end,
                ' [', array_to_string(bodies[:taken], ','), ']');
end
$$;`;
}

function emitLoad(entity: EntityPlan): string {
  const { name } = entity;
  return `-- One record for a decision, whole, and whether the actor may see it: 'visible <json>', 'hidden <json>',
-- the same with '_gone' for a deleted one, 'missing' or 'unauthenticated'.
create or replace function app.load_${name}(who text, wanted ${idType(entity)}) returns text
language plpgsql as $$
declare
  seen text := 'visible';
  answer text;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  for attempt in 1..2 loop
    select concat(seen, case when r.deleted_at is not null then '_gone' end, ' ', app.full_${name}(r))
      into answer
      from app.${ident(name)} r
      where r.id = wanted;
    exit when answer is not null;
    seen := 'hidden';
    perform gesta.enter('system');
  end loop;
  return coalesce(answer, 'missing');
end
$$;`;
}

function emitLoadBy(entity: EntityPlan, key: string, caseless: boolean): string {
  const { name } = entity;
  const column = `r.${ident(key)}`;
  return `-- The record with exactly this ${key}, whole, for a decision: 'hidden <json>' or 'missing'.
create or replace function app.load_${name}_by_${key}(wanted text) returns text
language plpgsql as $$
declare
  answer text;
begin
  perform gesta.enter('system');
  select concat('hidden ', app.full_${name}(r)) into answer
    from app.${ident(name)} r
    where ${caseless ? `lower(${column}) = lower(wanted)` : `${column} = wanted`} and r.deleted_at is null;
  return coalesce(answer, 'missing');
end
$$;`;
}
