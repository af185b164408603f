import { deleteRules, isLinked, letsGo, rulesOf } from "../../plan/delete-rules.ts";
import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { ident, literal } from "../sql-text.ts";
import { emitChange } from "./change-function.ts";
import { emitCreation } from "./creation-function.ts";
import { isKind, takesBulk } from "./write-parts.ts";

/**
 * The functions through which records change, and the only way: the application's role may call `write_…` and has no
 * right to insert or update. A command is one event and one row for each record that it touches, or a refusal.
 */
export const emitWriteFunctions = (plan: Plan, entity: EntityPlan): string =>
  [
    emitCreation(entity),
    emitChange(plan, entity),
    emitApply(entity),
    emitWrite(plan, entity),
    takesBulk(entity) ? emitWriteAll(plan, entity) : "",
    ...entity.fields.filter(({ kind }) => kind === "password").map(({ name }) => emitSecret(entity, name)),
  ]
    .filter((part) => part !== "")
    .join("\n\n");

/** Each actor enters once for each action; all of its commands are done by the same statements. */
function emitApply(entity: EntityPlan): string {
  const { name, actions } = entity;
  const creates = actions.some(({ kind }) => kind === "create");
  const changes = actions.some(({ kind }) => kind !== "create") || letsGo(entity);
  const [create, change] = [`app.create_${name}(commands)`, `app.change_${name}(act, commands)`];
  const done =
    creates && changes
      ? `case when ${isKind(actions, "create", "act")} then ${create} else ${change} end`
      : creates
        ? create
        : change;
  return `-- Does commands on ${name} of one actor by one action.
create or replace function app.act_on_${name}(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', ${literal(`${name}.`)} || act, true);
  return ${done};
end
$$;

-- Does commands on ${name}, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_${name}(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  who text := commands[1]->>'actor';
  act text := commands[1]->>'action';
  work record;
  answers text[];
  done text[];
begin
  if act is null then return '{}'; end if;
  if not exists (
    select from unnest(commands) c where c->>'actor' is distinct from who or c->>'action' is distinct from act
  ) then return app.act_on_${name}(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_${name}(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;`;
}

/** Records that refer to each other are locked together; all others need their own streams alone, and new ones none. */
function locks(plan: Plan, entity: EntityPlan): string {
  const concerned = `perform gesta.lock_concerned(${literal(entity.name)}, fresh);`;
  if (rulesOf(entity).length > 0 || isLinked(plan, entity)) return concerned;
  const together = deleteRules(plan).length === 0 ? "" : `if batch @? '$[*].effects' then ${concerned}\n  els`;
  return `${together}if batch @? '$[*].version'${together === "" ? " or batch @? '$[*].effects'" : ""} then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;`;
}

function emitWrite(plan: Plan, entity: EntityPlan): string {
  const { name } = entity;
  return `-- Does a batch of commands on ${name} with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_${name}(batch jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  commands jsonb[] := array(select jsonb_array_elements(batch));
  keyed boolean := batch @? '$[*].key';
  known text[];
  fresh jsonb[] := commands;
  answers text[];
  broken text;
begin
  if keyed then
    known := gesta.recall(commands);
    if known is not null then
      fresh := array(select c from unnest(commands, known) q (c, answer) where answer is null);
    end if;
  end if;
  ${locks(plan, entity)}
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_${name}(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember(${literal(name)}, fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_${name}(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember(${literal(name)}, fresh[n:n], answers[n:n]);
        if fresh[n] ? 'dry' then raise sqlstate 'GE003'; end if;
      exception when sqlstate 'GE003' then null;
      when others then
        get stacked diagnostics broken = constraint_name;
        answers[n] := gesta.refusal(sqlstate, broken, sqlerrm);
      end;
    end loop;
  end;
  if known is null then
    return query select unnest(answers);
    return;
  end if;
  return query
    select coalesce(q.answer, answers[count(*) filter (where q.answer is null) over (order by q.place)])
      from unnest(known) with ordinality q (answer, place)
      order by q.place;
end
$$;`;
}

function emitWriteAll(plan: Plan, entity: EntityPlan): string {
  const { name } = entity;
  return `-- Does all commands of one call on ${name}, or none of them. The first row is the reply to the call, kept under its key:
-- 'done 0 <json>', or 'replayed …', 'in_flight', 'mismatch'. Where it is 'refused', a row for each command says whether it
-- could have been done: they are tried once more, each in a sub-transaction of its own, and all of it is taken back.
create or replace function app.write_all_${name}(batch jsonb, call jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  fresh jsonb[] := array(select jsonb_array_elements(batch));
  answers text[];
  broken text;
  reply text := (gesta.recall(array[call]))[1];
begin
  if reply is not null then
    return next reply;
    return;
  end if;
  ${locks(plan, entity)}
  begin
    answers := case when cardinality(fresh) > 0 then app.apply_${name}(fresh) else '{}' end;
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if exists (select from unnest(answers) answer where answer not like 'done %') then raise sqlstate 'GE004'; end if;
    reply := gesta.reply_to_all(call, answers);
    perform gesta.remember(${literal(name)}, array[call], array[reply]);
    if call ? 'dry' then raise sqlstate 'GE003'; end if;
  exception when sqlstate 'GE003' then null;
  when sqlstate 'GE004' then reply := 'refused';
  when others then
    reply := 'refused';
    begin
      answers := '{}';
      for n in 1..cardinality(fresh) loop
        begin
          answers[n] := (app.apply_${name}(fresh[n:n]))[1];
          perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        exception when others then
          get stacked diagnostics broken = constraint_name;
          answers[n] := gesta.refusal(sqlstate, broken, sqlerrm);
        end;
      end loop;
      raise sqlstate 'GE003';
    exception when sqlstate 'GE003' then null;
    end;
  end;
  return next reply;
  if reply = 'refused' then return query select unnest(answers); end if;
end
$$;`;
}

const emitSecret = (entity: EntityPlan, field: string): string =>
  `-- The hash that a ${field} must match, for the record's own actor and for Gesta itself.
create or replace function app.secret_${entity.name}_${field}(who text, wanted uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  answer text;
begin
  if who is distinct from 'system' and who is distinct from wanted::text then return 'not_found'; end if;
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select concat('found ', s.hash) into answer
    from app.${ident(entity.name)} r join gesta.secrets s on s.stream_id = r.id and s.field = ${literal(field)}
    where r.id = wanted and r.deleted_at is null;
  return coalesce(answer, 'not_found');
end
$$;`;

/** What a command changes besides its own record: other records, by actions of their own, or nothing at all. */
export const emitEffects = (plan: Plan): string => `-- Does commands on an entity.
create or replace function gesta.apply(entity text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  return case entity
${plan.entities.map(({ name }) => `    when ${literal(name)} then app.apply_${name}(commands)`).join("\n")}
  end;
end
$$;

-- Does the effects of commands that were done. One that fails takes its command along.
create or replace function gesta.apply_effects(commands jsonb[], answers text[]) returns void
language plpgsql as $$
declare
  work record;
  failed text;
begin
  for work in
    select e->>'entity' as entity, array_agg(e order by q.place, place) as effects
      from unnest(commands, answers) with ordinality q (c, answer, place),
           jsonb_array_elements(c->'effects') with ordinality effects (e, nth)
      where answer like 'done %' and c ? 'effects'
      group by 1
  loop
    failed := (select answer from unnest(gesta.apply(work.entity, work.effects)) answer where answer not like 'done %' limit 1);
    if failed is not null then
      raise exception using errcode = case when failed like 'stale %' then 'serialization_failure' else 'GE001' end, message = failed;
    end if;
  end loop;
end
$$;`;
