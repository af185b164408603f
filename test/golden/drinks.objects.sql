set local role gesta_gate;
create or replace function gesta.enter(who text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  role text;
begin
  if who is null or who = 'system' then
    perform set_config('gesta.actor', coalesce(who, ''), true), set_config('gesta.roles', '', true);
    return true;
  end if;
  perform set_config('gesta.actor', case when role is null then '' else who end, true),
          set_config('gesta.roles', coalesce(role, ''), true);
  return role is not null;
end
$$;
revoke all on function gesta.enter(text) from public;
grant execute on function gesta.enter(text) to gesta_app, gesta_owner;
set local role gesta_owner;

alter table app.drinks enable row level security;
alter table app.drinks force row level security;
drop policy if exists read on app.drinks;
drop policy if exists creation on app.drinks;
drop policy if exists change on app.drinks;
create policy read on app.drinks for select to gesta_app, gesta_owner using (
  true
);
create policy creation on app.drinks for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'drinks.create' and (true)
);
create policy change on app.drinks for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'drinks.update' and (true)
  or (select gesta.action()) = 'drinks.delete' and (true)
);

-- A record of drinks as JSON: what the actor may read.
create or replace function app.shown_drinks(r app.drinks) returns text
language sql stable as $$
  select concat(
    '{"id":', r.id,
    ',"name":', to_json(r.name),
    ',"price":', trim_scale(r.price)::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of drinks as JSON: all but passwords.
create or replace function app.full_drinks(r app.drinks) returns text
language sql stable as $$
  select concat(
    '{"id":', r.id,
    ',"name":', to_json(r.name),
    ',"price":', trim_scale(r.price)::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <version> <json>', 'gone <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_drinks(askers text[], wanted bigint[])
returns table (place bigint, answer text)
language plpgsql as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids
      from unnest(askers, wanted) with ordinality q (who, id, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids) q (place, id)
        left join lateral (
          select case when r.deleted_at is null then concat('found ', r.version, ' ', app.shown_drinks(r))
                 else concat('gone ', gesta.instant(r.deleted_at)) end as answer from app.drinks r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- A page in the order of ids: 'listed <id to go on after, or -> <json array>' or 'unauthenticated'.
create or replace function app.list_drinks(who text, after bigint, skipped integer, taken integer) returns text
language plpgsql as $$
declare
  bodies text[];
  ids bigint[];
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select array_agg(page.body), array_agg(page.id) into bodies, ids
    from (
      select r.id, app.shown_drinks(r) as body
        from app.drinks r
        where r.deleted_at is null and r.id > coalesce(after, 0)
        order by r.id
        limit taken + 1 offset skipped
    ) page;
  return concat('listed ', case when cardinality(ids) > taken then ids[taken]::text else '-' end,
                ' [', array_to_string(bodies[:taken], ','), ']');
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <json>', 'hidden <json>', the same
-- with '_gone' for deleted ones, 'missing' or 'unauthenticated'.
create or replace function app.load_drinks(askers text[], wanted bigint[])
returns table (place bigint, answer text)
language plpgsql as $$
declare
  asker record;
  seen text[];
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids
      from unnest(askers, wanted) with ordinality q (who, id, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    select array_agg(r.answer order by q.nth) into seen
      from unnest(asker.ids) with ordinality q (id, nth)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', app.full_drinks(r)) as answer from app.drinks r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, seen) q (place, id, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', app.full_drinks(r)) as answer from app.drinks r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- Does one command on drinks: 'done <version> <json>', or the refusal.
create or replace function app.apply_drinks(command jsonb) returns text
language plpgsql as $$
declare
  act text := command->>'action';
  given jsonb := command->'set';
  at timestamptz := gesta.now();
  old app.drinks;
  new app.drinks;
begin
  if not gesta.enter(command->>'actor') then return 'unauthenticated'; end if;
  perform set_config('gesta.action', 'drinks.' || act, true);
  if (given - case act
    when 'create' then array['name', 'price']
    when 'update' then array['name', 'price']
    when 'delete' then array[]::text[]
  end) is distinct from '{}' then return 'forbidden'; end if;

  if act in ('create') then
    new := jsonb_populate_record(null::app.drinks, given);
    new.id := nextval(pg_get_serial_sequence('app.drinks', 'id'));
    new.version := 1;
    new.created_at := at;
    new.updated_at := at;
    insert into app.drinks values (new.*);
    perform gesta.append(gesta.serial_stream('drinks', new.id), 1, 'drinks', given, command, at);
    return concat('done 1 ', app.shown_drinks(new));
  end if;

  select * into old from app.drinks r where r.id = (command->>'id')::bigint;
  if not found then return 'not_found'; end if;
  if old.deleted_at is not null then
    return case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
  end if;
  if old.version <> (command->>'version')::integer then return concat('stale ', old.version); end if;

  at := greatest(at, old.updated_at);
  new := jsonb_populate_record(old, given);
  new.version := old.version + 1;
  new.updated_at := at;

  if act in ('delete') then
    new.deleted_at := at;
    given := jsonb_build_object('deleted_at', gesta.instant(at));
  end if;
  update app.drinks set
    (name, price, version, updated_at, deleted_at)
    = (new.name, new.price, new.version, new.updated_at, new.deleted_at)
    where drinks.id = old.id;
  if not found then return 'forbidden'; end if;
  perform gesta.append(gesta.serial_stream('drinks', new.id), new.version, 'drinks', given, command, at);
  return concat('done ', new.version, ' ', app.shown_drinks(new));
end
$$;

-- Does a batch of commands on drinks: one answer for each, in order.
create or replace function app.write_drinks(commands jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  command jsonb;
  broken text;
begin
  perform gesta.lock_streams(commands);
  for command in select c from jsonb_array_elements(commands) c loop
    begin
      return next app.apply_drinks(command);
    exception when others then
      get stacked diagnostics broken = constraint_name;
      return next gesta.refusal(sqlstate, broken, sqlerrm);
    end;
  end loop;
end
$$;

delete from gesta.workflow;

revoke all on all functions in schema app from public;

grant select on app.drinks to gesta_app;
grant execute on function
  app.shown_drinks(app.drinks),
  app.full_drinks(app.drinks),
  app.read_drinks(text[], bigint[]),
  app.list_drinks(text, bigint, integer, integer),
  app.load_drinks(text[], bigint[]),
  app.write_drinks(jsonb)
  to gesta_app;
