grant select (id, status, deleted_at, role) on app.users to gesta_gate;
drop policy if exists gate on app.users;
create policy gate on app.users for select to gesta_gate using (true);
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
  role := (
    select u.role from app.users u
      where u.id = who::uuid and u.deleted_at is null and u.status = any (array['active'])
  );
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

alter table app.users enable row level security;
alter table app.users force row level security;
drop policy if exists read on app.users;
drop policy if exists creation on app.users;
drop policy if exists change on app.users;
create policy read on app.users for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.roles()) && array['admin'] or users.id = (select gesta.actor())
);
create policy creation on app.users for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'users.register' and (true)
);
create policy change on app.users for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'users.name' and (users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.email' and (users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.avatar' and (users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.password' and (users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.deactivate' and ((select gesta.roles()) && array['admin'] or users.id = (select gesta.actor()))
);

alter table app.restaurants enable row level security;
alter table app.restaurants force row level security;
drop policy if exists read on app.restaurants;
drop policy if exists creation on app.restaurants;
drop policy if exists change on app.restaurants;
create policy read on app.restaurants for select to gesta_app, gesta_owner using (
  true
);
create policy creation on app.restaurants for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'restaurants.create' and ((select gesta.roles()) && array['admin'])
);
create policy change on app.restaurants for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'restaurants.update' and ((select gesta.roles()) && array['admin'])
  or (select gesta.action()) = 'restaurants.open' and ((select gesta.actor()) = any (restaurants.staff_ids))
  or (select gesta.action()) = 'restaurants.close' and ((select gesta.actor()) = any (restaurants.staff_ids))
  or (select gesta.action()) = 'restaurants.delete' and ((select gesta.roles()) && array['admin'])
);

alter table app.menu_items enable row level security;
alter table app.menu_items force row level security;
drop policy if exists read on app.menu_items;
drop policy if exists creation on app.menu_items;
drop policy if exists change on app.menu_items;
create policy read on app.menu_items for select to gesta_app, gesta_owner using (
  true
);
create policy creation on app.menu_items for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'menu_items.create' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = menu_items.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids))))
);
create policy change on app.menu_items for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'menu_items.update' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = menu_items.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids))))
  or (select gesta.action()) = 'menu_items.delete' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = menu_items.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids))))
);

alter table app.promotions enable row level security;
alter table app.promotions force row level security;
drop policy if exists read on app.promotions;
drop policy if exists creation on app.promotions;
drop policy if exists change on app.promotions;
create policy read on app.promotions for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.roles()) && array['manager', 'admin']
);
create policy creation on app.promotions for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'promotions.create' and ((select gesta.roles()) && array['manager', 'admin'])
);
create policy change on app.promotions for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'promotions.update' and ((select gesta.roles()) && array['manager', 'admin'])
  or (select gesta.action()) = 'promotions.delete' and ((select gesta.roles()) && array['manager', 'admin'])
);

alter table app.orders enable row level security;
alter table app.orders force row level security;
drop policy if exists read on app.orders;
drop policy if exists creation on app.orders;
drop policy if exists change on app.orders;
create policy read on app.orders for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.roles()) && array['manager', 'logistician', 'admin'] or orders.user_id = (select gesta.actor()) or (exists (select from app.restaurants where restaurants.id = orders.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids)))
);
create policy creation on app.orders for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'orders.place' and ((select gesta.roles()) && array['customer']) and orders.user_id = (select gesta.actor())
);
create policy change on app.orders for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'orders.confirm_payment' and (orders.user_id = (select gesta.actor()))
  or (select gesta.action()) = 'orders.cancel' and ((select gesta.roles()) && array['admin'] or orders.user_id = (select gesta.actor()) or (exists (select from app.restaurants where restaurants.id = orders.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids))))
  or (select gesta.action()) = 'orders.status' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = orders.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids))))
  or (select gesta.action()) = 'orders.delete' and ((select gesta.roles()) && array['admin'])
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

-- A record of users as JSON: what the actor may read.
create or replace function app.shown_users(r app.users) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"name":', to_json(r.name),
    ',"email":', to_json(r.email),
    ',"avatar":', coalesce(to_json(r.avatar)::text, 'null'),
    ',"role":', to_json(r.role),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of users as JSON: all but passwords.
create or replace function app.full_users(r app.users) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"name":', to_json(r.name),
    ',"email":', to_json(r.email),
    ',"avatar":', coalesce(to_json(r.avatar)::text, 'null'),
    ',"role":', to_json(r.role),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <version> <json>', 'gone <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_users(askers text[], wanted uuid[])
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
          select case when r.deleted_at is null then concat('found ', r.version, ' ', app.shown_users(r))
                 else concat('gone ', gesta.instant(r.deleted_at)) end as answer from app.users r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- A page in the order of ids: 'listed <id to go on after, or -> <json array>' or 'unauthenticated'.
create or replace function app.list_users(who text, after uuid, skipped integer, taken integer) returns text
language plpgsql as $$
declare
  bodies text[];
  ids uuid[];
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select array_agg(page.body), array_agg(page.id) into bodies, ids
    from (
      select r.id, app.shown_users(r) as body
        from app.users r
        where r.deleted_at is null and r.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
        order by r.id
        limit taken + 1 offset skipped
    ) page;
  return concat('listed ', case when cardinality(ids) > taken then ids[taken]::text else '-' end,
                ' [', array_to_string(bodies[:taken], ','), ']');
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <json>', 'hidden <json>', the same
-- with '_gone' for deleted ones, 'missing' or 'unauthenticated'.
create or replace function app.load_users(askers text[], wanted uuid[])
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
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', app.full_users(r)) as answer from app.users r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, seen) q (place, id, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', app.full_users(r)) as answer from app.users r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- The records with exactly these values of email, whole, for decisions: 'hidden <json>' or 'missing'.
create or replace function app.load_users_by_email(wanted text[])
returns table (place bigint, answer text)
language plpgsql as $$
begin
  perform gesta.enter('system');
  return query
    select q.place, coalesce(r.answer, 'missing')
      from unnest(wanted) with ordinality q (value, place)
      left join lateral (
        select concat('hidden ', app.full_users(r)) as answer
          from app.users r
          where lower(r.email) = lower(q.value) and r.deleted_at is null
        offset 0
      ) r on true;
end
$$;

-- Does one command on users: 'done <version> <json>', or the refusal.
create or replace function app.apply_users(command jsonb) returns text
language plpgsql as $$
declare
  act text := command->>'action';
  given jsonb := command->'set';
  at timestamptz := gesta.now();
  old app.users;
  new app.users;
begin
  if not gesta.enter(command->>'actor') then return 'unauthenticated'; end if;
  perform set_config('gesta.action', 'users.' || act, true);
  if (given - case act
    when 'register' then array['name', 'email', 'password', 'avatar', 'role']
    when 'name' then array['name']
    when 'email' then array['email']
    when 'avatar' then array['avatar']
    when 'password' then array['password']
    when 'deactivate' then array[]::text[]
  end) is distinct from '{}' then return 'forbidden'; end if;

  if act in ('register') then
    new := jsonb_populate_record(null::app.users, given);
    new.id := (command->>'id')::uuid;
    new.status := 'active';
    new.version := 1;
    new.created_at := at;
    new.updated_at := at;
    insert into app.users values (new.*);
    perform gesta.keep_secrets(new.id, command->'secrets');
    perform gesta.append(new.id, 1, 'users', given || jsonb_build_object('status', new.status), command, at);
    return concat('done 1 ', app.shown_users(new));
  end if;

  select * into old from app.users r where r.id = (command->>'id')::uuid;
  if not found then return 'not_found'; end if;
  if old.deleted_at is not null then
    return case when false then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
  end if;
  if old.version <> (command->>'version')::integer then return concat('stale ', old.version); end if;

  at := greatest(at, old.updated_at);
  new := jsonb_populate_record(old, given);
  new.version := old.version + 1;
  new.updated_at := at;
  if act in ('deactivate') then
    new.status := command->>'to';
    if not exists (
      select from gesta.workflow w
        where w.entity = 'users' and w.action = act and w.from_state = old.status and w.to_state = new.status
    ) then return concat('transition_not_allowed ', old.status); end if;
    given := given || jsonb_build_object('status', new.status);
  end if;
  if false then
    new.deleted_at := at;
    given := jsonb_build_object('deleted_at', gesta.instant(at));
  end if;
  update app.users set
    (status, name, email, avatar, role, version, updated_at, deleted_at)
    = (new.status, new.name, new.email, new.avatar, new.role, new.version, new.updated_at, new.deleted_at)
    where users.id = old.id;
  if not found then return 'forbidden'; end if;
  perform gesta.keep_secrets(new.id, command->'secrets');
  perform gesta.append(new.id, new.version, 'users', given, command, at);
  return concat('done ', new.version, ' ', app.shown_users(new));
end
$$;

-- Does a batch of commands on users: one answer for each, in order.
create or replace function app.write_users(commands jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  command jsonb;
  broken text;
begin
  perform gesta.lock_streams(commands);
  for command in select c from jsonb_array_elements(commands) c loop
    begin
      return next app.apply_users(command);
    exception when others then
      get stacked diagnostics broken = constraint_name;
      return next gesta.refusal(sqlstate, broken, sqlerrm);
    end;
  end loop;
end
$$;

-- The hash that a password must match, for the record's own actor and for Gesta itself.
create or replace function app.secret_users_password(who text, wanted uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  answer text;
begin
  if who is distinct from 'system' and who is distinct from wanted::text then return 'not_found'; end if;
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select concat('found ', s.hash) into answer
    from app.users r join gesta.secrets s on s.stream_id = r.id and s.field = 'password'
    where r.id = wanted and r.deleted_at is null;
  return coalesce(answer, 'not_found');
end
$$;

-- A record of restaurants as JSON: what the actor may read.
create or replace function app.shown_restaurants(r app.restaurants) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"name":', to_json(r.name),
    ',"city":', to_json(r.city),
    case when gesta.is_system() or gesta.roles() && array['admin'] or gesta.actor() = any (r.staff_ids) then concat(',"staff_ids":', to_json(r.staff_ids)) end,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of restaurants as JSON: all but passwords.
create or replace function app.full_restaurants(r app.restaurants) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"name":', to_json(r.name),
    ',"city":', to_json(r.city),
    ',"staff_ids":', to_json(r.staff_ids),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <version> <json>', 'gone <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_restaurants(askers text[], wanted uuid[])
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
          select case when r.deleted_at is null then concat('found ', r.version, ' ', app.shown_restaurants(r))
                 else concat('gone ', gesta.instant(r.deleted_at)) end as answer from app.restaurants r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- A page in the order of ids: 'listed <id to go on after, or -> <json array>' or 'unauthenticated'.
create or replace function app.list_restaurants(who text, after uuid, skipped integer, taken integer) returns text
language plpgsql as $$
declare
  bodies text[];
  ids uuid[];
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select array_agg(page.body), array_agg(page.id) into bodies, ids
    from (
      select r.id, app.shown_restaurants(r) as body
        from app.restaurants r
        where r.deleted_at is null and r.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
        order by r.id
        limit taken + 1 offset skipped
    ) page;
  return concat('listed ', case when cardinality(ids) > taken then ids[taken]::text else '-' end,
                ' [', array_to_string(bodies[:taken], ','), ']');
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <json>', 'hidden <json>', the same
-- with '_gone' for deleted ones, 'missing' or 'unauthenticated'.
create or replace function app.load_restaurants(askers text[], wanted uuid[])
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
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', app.full_restaurants(r)) as answer from app.restaurants r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, seen) q (place, id, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', app.full_restaurants(r)) as answer from app.restaurants r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- Does one command on restaurants: 'done <version> <json>', or the refusal.
create or replace function app.apply_restaurants(command jsonb) returns text
language plpgsql as $$
declare
  act text := command->>'action';
  given jsonb := command->'set';
  at timestamptz := gesta.now();
  old app.restaurants;
  new app.restaurants;
begin
  if not gesta.enter(command->>'actor') then return 'unauthenticated'; end if;
  perform set_config('gesta.action', 'restaurants.' || act, true);
  if (given - case act
    when 'create' then array['name', 'city', 'staff_ids']
    when 'update' then array['name', 'city', 'staff_ids']
    when 'open' then array[]::text[]
    when 'close' then array[]::text[]
    when 'delete' then array[]::text[]
  end) is distinct from '{}' then return 'forbidden'; end if;

  if act in ('create') then
    new := jsonb_populate_record(null::app.restaurants, given);
    new.id := (command->>'id')::uuid;
    new.status := 'closed';
    new.version := 1;
    new.created_at := at;
    new.updated_at := at;
    insert into app.restaurants values (new.*);
    perform gesta.append(new.id, 1, 'restaurants', given || jsonb_build_object('status', new.status), command, at);
    return concat('done 1 ', app.shown_restaurants(new));
  end if;

  select * into old from app.restaurants r where r.id = (command->>'id')::uuid;
  if not found then return 'not_found'; end if;
  if old.deleted_at is not null then
    return case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
  end if;
  if old.version <> (command->>'version')::integer then return concat('stale ', old.version); end if;

  at := greatest(at, old.updated_at);
  new := jsonb_populate_record(old, given);
  new.version := old.version + 1;
  new.updated_at := at;
  if act in ('open', 'close') then
    new.status := command->>'to';
    if not exists (
      select from gesta.workflow w
        where w.entity = 'restaurants' and w.action = act and w.from_state = old.status and w.to_state = new.status
    ) then return concat('transition_not_allowed ', old.status); end if;
    given := given || jsonb_build_object('status', new.status);
  end if;
  if act in ('delete') then
    new.deleted_at := at;
    given := jsonb_build_object('deleted_at', gesta.instant(at));
  end if;
  update app.restaurants set
    (status, name, city, staff_ids, version, updated_at, deleted_at)
    = (new.status, new.name, new.city, new.staff_ids, new.version, new.updated_at, new.deleted_at)
    where restaurants.id = old.id;
  if not found then return 'forbidden'; end if;
  perform gesta.append(new.id, new.version, 'restaurants', given, command, at);
  return concat('done ', new.version, ' ', app.shown_restaurants(new));
end
$$;

-- Does a batch of commands on restaurants: one answer for each, in order.
create or replace function app.write_restaurants(commands jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  command jsonb;
  broken text;
begin
  perform gesta.lock_streams(commands);
  for command in select c from jsonb_array_elements(commands) c loop
    begin
      return next app.apply_restaurants(command);
    exception when others then
      get stacked diagnostics broken = constraint_name;
      return next gesta.refusal(sqlstate, broken, sqlerrm);
    end;
  end loop;
end
$$;

-- A record of menu_items as JSON: what the actor may read.
create or replace function app.shown_menu_items(r app.menu_items) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"restaurant_id":', '"' || r.restaurant_id || '"',
    ',"name":', to_json(r.name),
    ',"price":', trim_scale(r.price)::text,
    ',"available":', r.available::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of menu_items as JSON: all but passwords.
create or replace function app.full_menu_items(r app.menu_items) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"restaurant_id":', '"' || r.restaurant_id || '"',
    ',"name":', to_json(r.name),
    ',"price":', trim_scale(r.price)::text,
    ',"available":', r.available::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <version> <json>', 'gone <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_menu_items(askers text[], wanted uuid[])
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
          select case when r.deleted_at is null then concat('found ', r.version, ' ', app.shown_menu_items(r))
                 else concat('gone ', gesta.instant(r.deleted_at)) end as answer from app.menu_items r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- A page in the order of ids: 'listed <id to go on after, or -> <json array>' or 'unauthenticated'.
create or replace function app.list_menu_items(who text, after uuid, skipped integer, taken integer) returns text
language plpgsql as $$
declare
  bodies text[];
  ids uuid[];
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select array_agg(page.body), array_agg(page.id) into bodies, ids
    from (
      select r.id, app.shown_menu_items(r) as body
        from app.menu_items r
        where r.deleted_at is null and r.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
        order by r.id
        limit taken + 1 offset skipped
    ) page;
  return concat('listed ', case when cardinality(ids) > taken then ids[taken]::text else '-' end,
                ' [', array_to_string(bodies[:taken], ','), ']');
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <json>', 'hidden <json>', the same
-- with '_gone' for deleted ones, 'missing' or 'unauthenticated'.
create or replace function app.load_menu_items(askers text[], wanted uuid[])
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
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', app.full_menu_items(r)) as answer from app.menu_items r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, seen) q (place, id, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', app.full_menu_items(r)) as answer from app.menu_items r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- Does one command on menu_items: 'done <version> <json>', or the refusal.
create or replace function app.apply_menu_items(command jsonb) returns text
language plpgsql as $$
declare
  act text := command->>'action';
  given jsonb := command->'set';
  at timestamptz := gesta.now();
  old app.menu_items;
  new app.menu_items;
begin
  if not gesta.enter(command->>'actor') then return 'unauthenticated'; end if;
  perform set_config('gesta.action', 'menu_items.' || act, true);
  if (given - case act
    when 'create' then array['restaurant_id', 'name', 'price', 'available']
    when 'update' then array['restaurant_id', 'name', 'price', 'available']
    when 'delete' then array[]::text[]
  end) is distinct from '{}' then return 'forbidden'; end if;

  if act in ('create') then
    new := jsonb_populate_record(null::app.menu_items, given);
    new.id := (command->>'id')::uuid;
    new.version := 1;
    new.created_at := at;
    new.updated_at := at;
    insert into app.menu_items values (new.*);
    perform gesta.append(new.id, 1, 'menu_items', given, command, at);
    return concat('done 1 ', app.shown_menu_items(new));
  end if;

  select * into old from app.menu_items r where r.id = (command->>'id')::uuid;
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
  update app.menu_items set
    (restaurant_id, name, price, available, version, updated_at, deleted_at)
    = (new.restaurant_id, new.name, new.price, new.available, new.version, new.updated_at, new.deleted_at)
    where menu_items.id = old.id;
  if not found then return 'forbidden'; end if;
  perform gesta.append(new.id, new.version, 'menu_items', given, command, at);
  return concat('done ', new.version, ' ', app.shown_menu_items(new));
end
$$;

-- Does a batch of commands on menu_items: one answer for each, in order.
create or replace function app.write_menu_items(commands jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  command jsonb;
  broken text;
begin
  perform gesta.lock_streams(commands);
  for command in select c from jsonb_array_elements(commands) c loop
    begin
      return next app.apply_menu_items(command);
    exception when others then
      get stacked diagnostics broken = constraint_name;
      return next gesta.refusal(sqlstate, broken, sqlerrm);
    end;
  end loop;
end
$$;

-- A record of promotions as JSON: what the actor may read.
create or replace function app.shown_promotions(r app.promotions) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"code":', to_json(r.code),
    ',"percent":', r.percent::text,
    ',"starts_at":', '"' || gesta.instant(r.starts_at) || '"',
    ',"ends_at":', '"' || gesta.instant(r.ends_at) || '"',
    ',"active":', r.active::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of promotions as JSON: all but passwords.
create or replace function app.full_promotions(r app.promotions) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"code":', to_json(r.code),
    ',"percent":', r.percent::text,
    ',"starts_at":', '"' || gesta.instant(r.starts_at) || '"',
    ',"ends_at":', '"' || gesta.instant(r.ends_at) || '"',
    ',"active":', r.active::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <version> <json>', 'gone <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_promotions(askers text[], wanted uuid[])
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
          select case when r.deleted_at is null then concat('found ', r.version, ' ', app.shown_promotions(r))
                 else concat('gone ', gesta.instant(r.deleted_at)) end as answer from app.promotions r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- A page in the order of ids: 'listed <id to go on after, or -> <json array>' or 'unauthenticated'.
create or replace function app.list_promotions(who text, after uuid, skipped integer, taken integer) returns text
language plpgsql as $$
declare
  bodies text[];
  ids uuid[];
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select array_agg(page.body), array_agg(page.id) into bodies, ids
    from (
      select r.id, app.shown_promotions(r) as body
        from app.promotions r
        where r.deleted_at is null and r.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
        order by r.id
        limit taken + 1 offset skipped
    ) page;
  return concat('listed ', case when cardinality(ids) > taken then ids[taken]::text else '-' end,
                ' [', array_to_string(bodies[:taken], ','), ']');
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <json>', 'hidden <json>', the same
-- with '_gone' for deleted ones, 'missing' or 'unauthenticated'.
create or replace function app.load_promotions(askers text[], wanted uuid[])
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
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', app.full_promotions(r)) as answer from app.promotions r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, seen) q (place, id, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', app.full_promotions(r)) as answer from app.promotions r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- The records with exactly these values of code, whole, for decisions: 'hidden <json>' or 'missing'.
create or replace function app.load_promotions_by_code(wanted text[])
returns table (place bigint, answer text)
language plpgsql as $$
begin
  perform gesta.enter('system');
  return query
    select q.place, coalesce(r.answer, 'missing')
      from unnest(wanted) with ordinality q (value, place)
      left join lateral (
        select concat('hidden ', app.full_promotions(r)) as answer
          from app.promotions r
          where r.code = q.value and r.deleted_at is null
        offset 0
      ) r on true;
end
$$;

-- Does one command on promotions: 'done <version> <json>', or the refusal.
create or replace function app.apply_promotions(command jsonb) returns text
language plpgsql as $$
declare
  act text := command->>'action';
  given jsonb := command->'set';
  at timestamptz := gesta.now();
  old app.promotions;
  new app.promotions;
begin
  if not gesta.enter(command->>'actor') then return 'unauthenticated'; end if;
  perform set_config('gesta.action', 'promotions.' || act, true);
  if (given - case act
    when 'create' then array['code', 'percent', 'starts_at', 'ends_at', 'active']
    when 'update' then array['code', 'percent', 'starts_at', 'ends_at', 'active']
    when 'delete' then array[]::text[]
  end) is distinct from '{}' then return 'forbidden'; end if;

  if act in ('create') then
    new := jsonb_populate_record(null::app.promotions, given);
    new.id := (command->>'id')::uuid;
    new.version := 1;
    new.created_at := at;
    new.updated_at := at;
    insert into app.promotions values (new.*);
    perform gesta.append(new.id, 1, 'promotions', given, command, at);
    return concat('done 1 ', app.shown_promotions(new));
  end if;

  select * into old from app.promotions r where r.id = (command->>'id')::uuid;
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
  update app.promotions set
    (code, percent, starts_at, ends_at, active, version, updated_at, deleted_at)
    = (new.code, new.percent, new.starts_at, new.ends_at, new.active, new.version, new.updated_at, new.deleted_at)
    where promotions.id = old.id;
  if not found then return 'forbidden'; end if;
  perform gesta.append(new.id, new.version, 'promotions', given, command, at);
  return concat('done ', new.version, ' ', app.shown_promotions(new));
end
$$;

-- Does a batch of commands on promotions: one answer for each, in order.
create or replace function app.write_promotions(commands jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  command jsonb;
  broken text;
begin
  perform gesta.lock_streams(commands);
  for command in select c from jsonb_array_elements(commands) c loop
    begin
      return next app.apply_promotions(command);
    exception when others then
      get stacked diagnostics broken = constraint_name;
      return next gesta.refusal(sqlstate, broken, sqlerrm);
    end;
  end loop;
end
$$;

-- A record of orders as JSON: what the actor may read.
create or replace function app.shown_orders(r app.orders) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"restaurant_id":', '"' || r.restaurant_id || '"',
    ',"items":', to_json(r.items),
    ',"promotion_code":', coalesce(to_json(r.promotion_code)::text, 'null'),
    ',"user_id":', '"' || r.user_id || '"',
    ',"total_price":', trim_scale(r.total_price)::text,
    ',"final_price":', trim_scale(r.final_price)::text,
    ',"reason":', coalesce(to_json(r.reason)::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of orders as JSON: all but passwords.
create or replace function app.full_orders(r app.orders) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"restaurant_id":', '"' || r.restaurant_id || '"',
    ',"items":', to_json(r.items),
    ',"promotion_code":', coalesce(to_json(r.promotion_code)::text, 'null'),
    ',"user_id":', '"' || r.user_id || '"',
    ',"total_price":', trim_scale(r.total_price)::text,
    ',"final_price":', trim_scale(r.final_price)::text,
    ',"reason":', coalesce(to_json(r.reason)::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <version> <json>', 'gone <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_orders(askers text[], wanted uuid[])
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
          select case when r.deleted_at is null then concat('found ', r.version, ' ', app.shown_orders(r))
                 else concat('gone ', gesta.instant(r.deleted_at)) end as answer from app.orders r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- A page in the order of ids: 'listed <id to go on after, or -> <json array>' or 'unauthenticated'.
create or replace function app.list_orders(who text, after uuid, skipped integer, taken integer) returns text
language plpgsql as $$
declare
  bodies text[];
  ids uuid[];
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select array_agg(page.body), array_agg(page.id) into bodies, ids
    from (
      select r.id, app.shown_orders(r) as body
        from app.orders r
        where r.deleted_at is null and r.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
        order by r.id
        limit taken + 1 offset skipped
    ) page;
  return concat('listed ', case when cardinality(ids) > taken then ids[taken]::text else '-' end,
                ' [', array_to_string(bodies[:taken], ','), ']');
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <json>', 'hidden <json>', the same
-- with '_gone' for deleted ones, 'missing' or 'unauthenticated'.
create or replace function app.load_orders(askers text[], wanted uuid[])
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
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', app.full_orders(r)) as answer from app.orders r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, seen) q (place, id, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', app.full_orders(r)) as answer from app.orders r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- Does one command on orders: 'done <version> <json>', or the refusal.
create or replace function app.apply_orders(command jsonb) returns text
language plpgsql as $$
declare
  act text := command->>'action';
  given jsonb := command->'set';
  at timestamptz := gesta.now();
  old app.orders;
  new app.orders;
begin
  if not gesta.enter(command->>'actor') then return 'unauthenticated'; end if;
  perform set_config('gesta.action', 'orders.' || act, true);
  if (given - case act
    when 'place' then array['restaurant_id', 'items', 'promotion_code', 'user_id', 'total_price', 'final_price', 'reason']
    when 'confirm_payment' then array[]::text[]
    when 'cancel' then array['reason']
    when 'status' then array[]::text[]
    when 'delete' then array[]::text[]
  end) is distinct from '{}' then return 'forbidden'; end if;

  if act in ('place') then
    new := jsonb_populate_record(null::app.orders, given);
    new.id := (command->>'id')::uuid;
    new.status := 'pending_payment';
    new.version := 1;
    new.created_at := at;
    new.updated_at := at;
    insert into app.orders values (new.*);
    perform gesta.append(new.id, 1, 'orders', given || jsonb_build_object('status', new.status), command, at);
    return concat('done 1 ', app.shown_orders(new));
  end if;

  select * into old from app.orders r where r.id = (command->>'id')::uuid;
  if not found then return 'not_found'; end if;
  if old.deleted_at is not null then
    return case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
  end if;
  if old.version <> (command->>'version')::integer then return concat('stale ', old.version); end if;

  at := greatest(at, old.updated_at);
  new := jsonb_populate_record(old, given);
  new.version := old.version + 1;
  new.updated_at := at;
  if act in ('confirm_payment', 'cancel', 'status') then
    new.status := command->>'to';
    if not exists (
      select from gesta.workflow w
        where w.entity = 'orders' and w.action = act and w.from_state = old.status and w.to_state = new.status
    ) then return concat('transition_not_allowed ', old.status); end if;
    given := given || jsonb_build_object('status', new.status);
  end if;
  if act in ('delete') then
    new.deleted_at := at;
    given := jsonb_build_object('deleted_at', gesta.instant(at));
  end if;
  update app.orders set
    (status, restaurant_id, items, promotion_code, user_id, total_price, final_price, reason, version, updated_at, deleted_at)
    = (new.status, new.restaurant_id, new.items, new.promotion_code, new.user_id, new.total_price, new.final_price, new.reason, new.version, new.updated_at, new.deleted_at)
    where orders.id = old.id;
  if not found then return 'forbidden'; end if;
  perform gesta.append(new.id, new.version, 'orders', given, command, at);
  return concat('done ', new.version, ' ', app.shown_orders(new));
end
$$;

-- Does a batch of commands on orders: one answer for each, in order.
create or replace function app.write_orders(commands jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  command jsonb;
  broken text;
begin
  perform gesta.lock_streams(commands);
  for command in select c from jsonb_array_elements(commands) c loop
    begin
      return next app.apply_orders(command);
    exception when others then
      get stacked diagnostics broken = constraint_name;
      return next gesta.refusal(sqlstate, broken, sqlerrm);
    end;
  end loop;
end
$$;

delete from gesta.workflow;
insert into gesta.workflow (entity, action, from_state, to_state) values
  ('users', 'deactivate', 'active', 'deactivated'),
  ('restaurants', 'open', 'closed', 'open'),
  ('restaurants', 'close', 'open', 'closed'),
  ('orders', 'confirm_payment', 'pending_payment', 'accepted'),
  ('orders', 'confirm_payment', 'pending_payment', 'new'),
  ('orders', 'cancel', 'pending_payment', 'cancelled'),
  ('orders', 'status', 'new', 'accepted'),
  ('orders', 'cancel', 'new', 'cancelled'),
  ('orders', 'status', 'accepted', 'cooking'),
  ('orders', 'cancel', 'accepted', 'cancelled'),
  ('orders', 'status', 'cooking', 'on_way'),
  ('orders', 'cancel', 'cooking', 'cancelled'),
  ('orders', 'status', 'on_way', 'delivered');

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

grant select on app.users to gesta_app;
grant execute on function
  app.shown_users(app.users),
  app.full_users(app.users),
  app.read_users(text[], uuid[]),
  app.list_users(text, uuid, integer, integer),
  app.load_users(text[], uuid[]),
  app.load_users_by_email(text[]),
  app.write_users(jsonb),
  app.secret_users_password(text, uuid)
  to gesta_app;

grant select on app.restaurants to gesta_app;
grant execute on function
  app.shown_restaurants(app.restaurants),
  app.full_restaurants(app.restaurants),
  app.read_restaurants(text[], uuid[]),
  app.list_restaurants(text, uuid, integer, integer),
  app.load_restaurants(text[], uuid[]),
  app.write_restaurants(jsonb)
  to gesta_app;

grant select on app.menu_items to gesta_app;
grant execute on function
  app.shown_menu_items(app.menu_items),
  app.full_menu_items(app.menu_items),
  app.read_menu_items(text[], uuid[]),
  app.list_menu_items(text, uuid, integer, integer),
  app.load_menu_items(text[], uuid[]),
  app.write_menu_items(jsonb)
  to gesta_app;

grant select on app.promotions to gesta_app;
grant execute on function
  app.shown_promotions(app.promotions),
  app.full_promotions(app.promotions),
  app.read_promotions(text[], uuid[]),
  app.list_promotions(text, uuid, integer, integer),
  app.load_promotions(text[], uuid[]),
  app.load_promotions_by_code(text[]),
  app.write_promotions(jsonb)
  to gesta_app;

grant select on app.orders to gesta_app;
grant execute on function
  app.shown_orders(app.orders),
  app.full_orders(app.orders),
  app.read_orders(text[], uuid[]),
  app.list_orders(text, uuid, integer, integer),
  app.load_orders(text[], uuid[]),
  app.write_orders(jsonb)
  to gesta_app;
