/**
 * What deletes and restores do to other records, a part of the ledger. Which references have a say is the plan's:
 * `gesta.delete_rules`, `gesta.dependents`, `gesta.stored` and `gesta.apply` are made from it (see emit/deletion).
 */
export const deletionLedgerSql = `-- A living record that refers to one that is deleted, or to one that goes with it.
create type gesta.dependent as (entity text, field text, rule text, id text, version integer);

-- What one delete did to other records: the cohort is the id of its event. Restoring undoes exactly this.
create table gesta.cohorts (
  cohort uuid not null,
  entity text not null,
  record_id text not null,
  done text not null check (done in ('deleted', 'detached')),
  field text,
  target jsonb, -- the id that the field let go of
  place integer -- where it stood in a list
);
create index cohorts_cohort on gesta.cohorts (cohort, entity, record_id);

-- No delete takes more records along, and nobody waits for one that would.
create function gesta.most_taken() returns integer language sql immutable as $$ select 10000 $$;

-- The ids that a value refers to, of one reference or a list.
create function gesta.ids_in(held jsonb) returns table (id text, value jsonb, place bigint) language sql immutable as $$
  select e.value #>> '{}', e.value, e.place
    from jsonb_array_elements(case jsonb_typeof(held) when 'array' then held else jsonb_build_array(held) end)
      with ordinality e (value, place)
    where e.value #>> '{}' is not null
$$;

-- The stream of a record, by its id as text.
create function gesta.stream_of(entity text, id text) returns uuid language sql immutable as $$
  select case when id like '%-%' then id::uuid else gesta.serial_stream(entity, id::bigint) end
$$;

-- All that a delete concerns: what goes with it (cascade), what lets go (detach) and what stands in the way (restrict).
-- It stops where there is more than a delete may take along. Volatile, so that each look sees what was committed before it.
create function gesta.concerned(root_entity text, root_id text) returns gesta.dependent[]
language plpgsql volatile as $$
declare
  front gesta.dependent[] := array[row(root_entity, null, 'cascade', root_id, null)::gesta.dependent];
  found gesta.dependent[];
  taken gesta.dependent[] := front;
  others gesta.dependent[] := '{}';
begin
  while front <> '{}' and cardinality(taken) + cardinality(others) <= gesta.most_taken() + 1 loop
    found := array(
      select d
        from (select f.entity, array_agg(f.id) as ids from unnest(front) f group by 1) g,
             gesta.dependents(g.entity, g.ids, gesta.most_taken() + 1) d
    );
    others := others || array(select d from unnest(found) d where d.rule <> 'cascade');
    front := array(
      select distinct on (d.entity, d.id) d from unnest(found) d
        where d.rule = 'cascade' and not exists (select from unnest(taken) t where t.entity = d.entity and t.id = d.id)
        order by d.entity, d.id, d.field
    );
    taken := taken || front;
  end loop;
  return taken[2:] || array(
    select distinct d from unnest(others) d
      where not exists (select from unnest(taken) t where t.entity = d.entity and t.id = d.id)
  );
end
$$;

-- What a caller agrees to: the same text as long as the same records, as they are now, are concerned in the same way.
create function gesta.digest(concerned gesta.dependent[]) returns text language sql immutable as $$
  select encode(sha256(convert_to(coalesce(string_agg(line, E'\\n' order by line collate "C"), ''), 'UTF8')), 'hex')
    from (select concat_ws(' ', d.rule, d.entity, d.field, d.id, d.version) as line from unnest(concerned) d) lines
$$;

-- What stands between a delete and its effect, asked when all that it concerns is locked; null where nothing does.
create function gesta.barrier(entity text, id text, command jsonb, confirm text) returns text
language plpgsql volatile as $$
declare
  concerned gesta.dependent[];
begin
  if command ? 'along' then return null; end if;
  concerned := gesta.concerned(entity, id);
  return case
    when exists (select from unnest(concerned) d where d.rule = 'restrict') then 'blocked'
    when cardinality(concerned) > gesta.most_taken() then 'too_many'
    when confirm = 'never' or gesta.is_system() then null
    when confirm = 'when_linked' and concerned = '{}' and not command ? 'agreed' then null
    when command->>'agreed' is distinct from gesta.digest(concerned) then 'unconfirmed'
  end;
end
$$;

-- Does commands on other records that belong to a delete or a restore, some hundred at once: what one call holds grows
-- with the square of its commands. One that cannot be done takes everything back.
create function gesta.apply_along(around jsonb, entity text, commands jsonb[]) returns void language plpgsql as $$
declare
  failed text;
begin
  for start in 1..cardinality(commands) by 200 loop
    select answer into failed
      from unnest(gesta.apply(entity, array(select around || c from unnest(commands[start:start + 199]) c))) answer
      where answer not like 'done %' limit 1;
    if failed is not null then
      raise exception using message = failed,
        errcode = case when failed ~ '^(stale|gone|unchanged|conflict)' then 'serialization_failure' else 'GE001' end;
    end if;
  end loop;
end
$$;

-- What is said of every command that a delete or restore brings about: done by Gesta, in the name of the caller.
create function gesta.around(command jsonb, cause uuid) returns jsonb language sql immutable as $$
  select jsonb_build_object(
    'actor', 'system', 'author', coalesce(command->>'author', command->>'actor', 'visitor'), 'request', command->'request',
    'correlation', coalesce(command->>'correlation', cause::text), 'causation', cause, 'along', true)
$$;

-- Deletes what goes with a deleted record, and lets go what held on to it.
create function gesta.take_along(entity text, id text, fact gesta.fact) returns void language plpgsql as $$
declare
  cause uuid;
  concerned gesta.dependent[];
  part record;
begin
  if fact.command ? 'along' then return; end if;
  cause := (select e.id from gesta.events e where e.stream_id = fact.stream_id and e.version = fact.version);
  concerned := gesta.concerned(entity, id);
  if concerned = '{}' then return; end if;

  insert into gesta.cohorts (cohort, entity, record_id, done)
    select cause, d.entity, d.id, 'deleted' from unnest(concerned) d where d.rule = 'cascade';
  insert into gesta.cohorts (cohort, entity, record_id, done, field, target, place)
    select cause, d.entity, d.id, 'detached', d.field, held.value, held.place
      from (select d.entity, array_agg(distinct d.id) as ids from unnest(concerned) d where d.rule = 'detach' group by 1) g
      cross join lateral gesta.stored(g.entity, g.ids) s
      join unnest(concerned) d on d.rule = 'detach' and d.entity = g.entity and d.id = s->>'id'
      join gesta.delete_rules() r on r.entity = d.entity and r.field = d.field
      cross join lateral gesta.ids_in(s->d.field) held
      where (r.target, held.id) in (
        select take_along.entity, take_along.id
        union all select c.entity, c.id from unnest(concerned) c where c.rule = 'cascade');

  for part in
    select q.entity, array_agg(q.command order by q.id) as commands
      from (
        select d.entity, d.id, jsonb_build_object(
            'action', n.names->'delete', 'type', n.names->'deleted', 'id', d.id, 'version', d.version, 'set', '{}'::jsonb)
            as command
          from unnest(concerned) d cross join lateral (select gesta.names_of(d.entity) as names) n
          where d.rule = 'cascade'
        union all
        select g.entity, s->>'id', jsonb_build_object(
            'action', 'detach', 'type', gesta.names_of(g.entity)->'detached', 'id', s->'id', 'version', s->'version',
            'set', (
              select jsonb_object_agg(l.field, case jsonb_typeof(s->l.field) when 'array' then (
                  select coalesce(jsonb_agg(held.value order by held.place), '[]') from gesta.ids_in(s->l.field) held
                    where held.place <> all (l.places)
                ) else 'null' end)
                from (
                  select c.field, array_agg(c.place) as places from gesta.cohorts c
                    where c.cohort = cause and c.done = 'detached' and c.entity = g.entity and c.record_id = s->>'id'
                    group by 1
                ) l))
          from (select d.entity, array_agg(distinct d.id) as ids from unnest(concerned) d where d.rule = 'detach' group by 1) g
          cross join lateral gesta.stored(g.entity, g.ids) s
      ) q
      group by 1
  loop
    perform gesta.apply_along(gesta.around(fact.command, cause), part.entity, part.commands);
  end loop;
end
$$;

-- The delete that a deleted record went with, or by itself: a deleted record takes no other event.
create function gesta.cohort_of(stream uuid, version integer) returns uuid language sql stable as $$
  select e.id from gesta.events e where e.stream_id = stream and e.version = cohort_of.version
$$;

-- What a restored record must let go of, as values for its fields, because it is deleted and not of the cohort that
-- comes back. Raises where the record cannot be without it.
create function gesta.let_go_of_deleted(entity text, held jsonb, cohort uuid) returns jsonb language plpgsql volatile as $$
declare
  hold record;
  changes jsonb := '{}';
begin
  for hold in
    select r.field, r.rule, array_agg(i.place) as places
      from gesta.delete_rules() r
      cross join lateral gesta.ids_in(held->r.field) i
      cross join lateral gesta.stored(r.target, array[i.id]) s
      where r.entity = let_go_of_deleted.entity and s->>'deleted_at' is not null
        and (r.target, i.id) is distinct from (let_go_of_deleted.entity, held->>'id')
        and not exists (
          select from gesta.cohorts c
            where c.cohort = let_go_of_deleted.cohort and c.done = 'deleted' and c.entity = r.target and c.record_id = i.id)
      group by 1, 2
  loop
    if hold.rule <> 'detach' then
      raise exception using errcode = 'GE002', message = concat('held ', entity, ' ', hold.field);
    end if;
    changes := changes || jsonb_build_object(hold.field, case jsonb_typeof(held->hold.field) when 'array' then (
      select coalesce(jsonb_agg(i.value order by i.place), '[]') from gesta.ids_in(held->hold.field) i
        where i.place <> all (hold.places)
    ) end);
  end loop;
  return changes;
end
$$;

-- Brings back what a delete took along, as far as nothing else has happened to it since.
create function gesta.bring_back(entity text, id text, fact gesta.fact) returns void language plpgsql as $$
declare
  cause uuid;
  part record;
begin
  if fact.command ? 'along' then return; end if;
  cause := gesta.cohort_of(fact.stream_id, fact.version - 1);
  for part in
    select q.entity, array_agg(q.command order by q.id) as commands
      from (
        select g.entity, s->>'id' as id, jsonb_build_object(
            'action', 'restore', 'type', gesta.names_of(g.entity)->'restored', 'id', s->'id', 'version', s->'version',
            'set', '{}'::jsonb) as command
          from (select c.entity, array_agg(c.record_id) as ids from gesta.cohorts c
                  where c.cohort = cause and c.done = 'deleted' group by 1) g
          cross join lateral gesta.stored(g.entity, g.ids) s
          cross join lateral (
            select e.causation_id from gesta.events e
              where e.stream_id = gesta.stream_of(g.entity, s->>'id') and e.version = (s->>'version')::integer offset 0
          ) e
          where s->>'deleted_at' is not null and e.causation_id = cause
        union all
        select g.entity, s->>'id', jsonb_build_object(
            'action', 'detach', 'type', gesta.names_of(g.entity)->'detached', 'id', s->'id', 'version', s->'version',
            'set', c.changes)
          from (select c.entity, array_agg(distinct c.record_id) as ids from gesta.cohorts c
                  where c.cohort = cause and c.done = 'detached' group by 1) g
          cross join lateral gesta.stored(g.entity, g.ids) s
          cross join lateral (
            select jsonb_object_agg(l.field, gesta.held_again(s->l.field, l.lost, r.most)) as changes
              from (
                select c.field, jsonb_agg(jsonb_build_object('id', c.target, 'place', c.place) order by c.place) as lost
                  from gesta.cohorts c
                  where c.cohort = cause and c.done = 'detached' and c.entity = g.entity and c.record_id = s->>'id'
                  group by 1
              ) l
              join gesta.delete_rules() r on r.entity = g.entity and r.field = l.field
              where gesta.held_again(s->l.field, l.lost, r.most) is distinct from s->l.field
          ) c
          where s->>'deleted_at' is null and c.changes is not null
      ) q
      group by q.entity, q.command->>'action'
      -- Records first, so that those that hold on to them find them.
      order by q.command->>'action' desc
  loop
    perform gesta.apply_along(gesta.around(fact.command, cause), part.entity, part.commands);
  end loop;

  -- What came back may refer to others that are deleted by now, or to a member that did not come back.
  for part in
    with back as materialized (
      select g.entity, s
        from (
          select bring_back.entity, array[bring_back.id] as ids
          union all
          select c.entity, array_agg(c.record_id) from gesta.cohorts c where c.cohort = cause and c.done = 'deleted' group by 1
        ) g cross join lateral gesta.stored(g.entity, g.ids) s
        where s->>'deleted_at' is null
    ), held as materialized (
      select back.entity, back.s, r.target, i.id
        from back join gesta.delete_rules() r on r.entity = back.entity cross join lateral gesta.ids_in(back.s->r.field) i
    ), gone as materialized (
      select h.target, s->>'id' as id
        from (select held.target, array_agg(distinct held.id) as ids from held group by 1) h
        cross join lateral gesta.stored(h.target, h.ids) s
        where s->>'deleted_at' is not null
    )
    select distinct on (held.entity, held.s->>'id') held.entity, held.s from held join gone using (target, id)
  loop
    perform gesta.apply_along(gesta.around(fact.command, cause), part.entity, array[jsonb_build_object(
      'action', 'detach', 'type', gesta.names_of(part.entity)->'detached', 'id', part.s->'id', 'version', part.s->'version',
      'set', gesta.let_go_of_deleted(part.entity, part.s, null))]);
  end loop;
end
$$;

-- A field's value with what it lost back in its place: where a reference is empty still, and in a list that has room.
create function gesta.held_again(held jsonb, lost jsonb, most integer) returns jsonb language plpgsql immutable as $$
declare
  whole jsonb := held;
  back record;
begin
  if jsonb_typeof(held) <> 'array' then
    return case when held = 'null' then lost->0->'id' else held end;
  end if;
  for back in
    select l.value->'id' as id, (l.value->>'place')::integer - 1 as place
      from jsonb_array_elements(lost) with ordinality l (value, nth) order by l.nth
  loop
    continue when held @> back.id or jsonb_array_length(whole) >= most;
    whole := case when back.place < jsonb_array_length(whole) then jsonb_insert(whole, array[back.place::text], back.id)
                  else whole || back.id end;
  end loop;
  return whole;
end
$$;

-- Refuses references to records that are deleted, of the fields that have a say in deletes and hold something new.
create function gesta.demand_living(entity text, held jsonb, before jsonb) returns void language plpgsql volatile as $$
declare
  broken text;
begin
  select r.field into broken
    from gesta.delete_rules() r
    cross join lateral gesta.ids_in(held->r.field) i
    where r.entity = demand_living.entity and i.id not in (select b.id from gesta.ids_in(before->r.field) b)
      and not exists (select from gesta.stored(r.target, array[i.id]) s where s->>'deleted_at' is null)
    limit 1;
  if broken is not null then
    raise foreign_key_violation using constraint = concat(entity, '_', broken, '_reference');
  end if;
end
$$;

-- The streams of all records that commands and their effects touch, to be locked: those that they change alone, those
-- that they begin to refer to together with others. So nobody can refer to a record while it is being deleted.
create function gesta.streams_of(entity text, commands jsonb[]) returns table (stream text, shared boolean)
language plpgsql volatile as $$
declare
  works jsonb[] := array(
    select c || jsonb_build_object('entity', entity) from unnest(commands) c
    union all
    select e from unnest(commands) c, jsonb_array_elements(c->'effects') e
  );
begin
  return query
    select w->>'id', false from unnest(works) w where w->>'version' is not null
    union all
    select i.id, true from unnest(works) w
      join gesta.delete_rules() r on r.entity = w->>'entity'
      cross join lateral gesta.ids_in(w->'set'->r.field) i
    union all
    select d.id, false from unnest(works) w
      cross join lateral unnest(gesta.concerned(w->>'entity', w->>'id')) d
      where w->>'action' = gesta.names_of(w->>'entity')->>'delete';
  if not exists (select from unnest(works) w where w->>'action' = 'restore') then return; end if;
  return query
    with root as (
      select w->>'entity' as entity, s from unnest(works) w
        cross join lateral gesta.stored(w->>'entity', array[w->>'id']) s
        where w->>'action' = 'restore'
    ), member as (
      select distinct c.entity, c.record_id from root
        join gesta.cohorts c on c.cohort = gesta.cohort_of(gesta.stream_of(root.entity, root.s->>'id'), (root.s->>'version')::integer)
    ), back as (
      select root.entity, root.s from root
      union all
      select m.entity, s from member m cross join lateral gesta.stored(m.entity, array[m.record_id]) s
    )
    select m.record_id, false from member m
    union all
    select i.id, true from back
      join gesta.delete_rules() r on r.entity = back.entity
      cross join lateral gesta.ids_in(back.s->r.field) i;
end
$$;

-- Beyond so many streams, one lock for all that is written: locks of their own would not fit into the server's table.
create function gesta.most_locks() returns integer language sql immutable as $$ select 500 $$;

-- Locks what commands touch, other records with them, before the first write (see gesta.lock_streams). What a delete
-- concerns may grow until its locks are held, so it is looked at again; what came in between is taken without waiting,
-- for a wait out of order could be for someone who waits for us.
create function gesta.lock_concerned(entity text, commands jsonb[]) returns void language plpgsql as $$
declare
  held text[] := '{}';
  wanted text[];
begin
  if (select count(distinct s.stream) from gesta.streams_of(entity, commands) s) > gesta.most_locks() then
    perform pg_advisory_xact_lock(hashtextextended('gesta.workflow', 0));
    return;
  end if;
  perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  for round in 1..4 loop
    wanted := array(
      select concat(case when bool_and(s.shared) then 's' else 'x' end, s.stream)
        from gesta.streams_of(entity, commands) s group by s.stream order by s.stream
    );
    if wanted <@ held then return; end if;
    if round = 1 then
      perform case when w like 's%' then pg_advisory_xact_lock_shared(hashtextextended(substr(w, 2), 0))
                   else pg_advisory_xact_lock(hashtextextended(substr(w, 2), 0)) end
        from unnest(wanted) w;
    elsif exists (
      select from unnest(wanted) w
        where w <> all (held)
          and not case when w like 's%' then pg_try_advisory_xact_lock_shared(hashtextextended(substr(w, 2), 0))
                       else pg_try_advisory_xact_lock(hashtextextended(substr(w, 2), 0)) end
    ) then
      exit;
    end if;
    held := held || wanted;
  end loop;
  raise serialization_failure;
end
$$;

-- What a delete would touch, for a caller who may read the record: 'told <digest> <json>', its edges with their counts,
-- and the first hundred ids of those that the caller may read.
create function gesta.impact(who text, entity text, id text) returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  concerned gesta.dependent[];
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  if gesta.readable(entity, null, array[id]) = '{}' then return 'not_found'; end if;
  concerned := gesta.concerned(entity, id);
  return concat('told ', gesta.digest(concerned), ' ', (
    select coalesce(json_agg(json_build_object(
        'rule', e.rule, 'entity', e.entity, 'field', e.field, 'count', least(e.count, gesta.most_taken()), 'ids', e.ids,
        'more', e.count > cardinality(e.ids)) order by e.rule, e.entity, e.field), '[]')
      from (
        select d.rule, d.entity, d.field, count(*) as count, gesta.readable(d.entity, d.field, array_agg(d.id)) as ids
          from unnest(concerned) d group by 1, 2, 3
      ) e));
end
$$;`;
