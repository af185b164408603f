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

-- An event's data as the declaration knows them, and the version in which events of an entity are written.
create or replace function gesta.upcast(entity text, type text, type_version smallint, data jsonb) returns jsonb
language sql immutable as $$
  select data
$$;
create or replace function gesta.type_version(entity text) returns smallint language sql immutable as $$
  select 1::smallint
$$;
revoke all on function gesta.upcast(text, text, smallint, jsonb), gesta.type_version(text) from public;

alter table app.drinks enable row level security;
alter table app.drinks force row level security;
drop policy if exists read on app.drinks;
drop policy if exists plain_read on app.drinks;
drop policy if exists creation on app.drinks;
drop policy if exists change on app.drinks;
drop policy if exists removal on app.drinks;
create policy read on app.drinks for select to gesta_app, gesta_owner using (
  true
);
create policy creation on app.drinks for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'drinks.create' and (true)
);
create policy change on app.drinks for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'drinks.update' and (true)
  or (select gesta.action()) = 'drinks.delete' and (true)
  or (select gesta.action()) = 'drinks.restore' and (true)
);
create policy removal on app.drinks for delete to gesta_owner using ((select gesta.is_system()));

alter table app.users enable row level security;
alter table app.users force row level security;
drop policy if exists read on app.users;
drop policy if exists plain_read on app.users;
drop policy if exists creation on app.users;
drop policy if exists change on app.users;
drop policy if exists removal on app.users;
create policy read on app.users for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.roles()) && array['admin'] or users.id = (select gesta.actor())
);
create policy creation on app.users for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'users.register' and (true) and users.role = 'customer'
);
create policy change on app.users for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'users.name' and (users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.email' and (users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.avatar' and (users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.password' and (users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.deactivate' and ((select gesta.roles()) && array['admin'] or users.id = (select gesta.actor()))
  or (select gesta.action()) = 'users.delete' and ((select gesta.roles()) && array['admin'])
  or (select gesta.action()) = 'users.restore' and ((select gesta.roles()) && array['admin'])
);
create policy removal on app.users for delete to gesta_owner using ((select gesta.is_system()));

alter table app.restaurants enable row level security;
alter table app.restaurants force row level security;
drop policy if exists read on app.restaurants;
drop policy if exists plain_read on app.restaurants;
drop policy if exists creation on app.restaurants;
drop policy if exists change on app.restaurants;
drop policy if exists removal on app.restaurants;
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
  or (select gesta.action()) = 'restaurants.restore' and ((select gesta.roles()) && array['admin'])
);
create policy removal on app.restaurants for delete to gesta_owner using ((select gesta.is_system()));

alter table app.menu_items enable row level security;
alter table app.menu_items force row level security;
drop policy if exists read on app.menu_items;
drop policy if exists plain_read on app.menu_items;
drop policy if exists creation on app.menu_items;
drop policy if exists change on app.menu_items;
drop policy if exists removal on app.menu_items;
create policy read on app.menu_items for select to gesta_app, gesta_owner using (
  true
);
create policy creation on app.menu_items for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'menu_items.create' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = menu_items.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null)))
);
create policy change on app.menu_items for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'menu_items.update' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = menu_items.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null)))
  or (select gesta.action()) = 'menu_items.delete' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = menu_items.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null)))
  or (select gesta.action()) = 'menu_items.restore' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = menu_items.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null)))
);
create policy removal on app.menu_items for delete to gesta_owner using ((select gesta.is_system()));

alter table app.promotions enable row level security;
alter table app.promotions force row level security;
drop policy if exists read on app.promotions;
drop policy if exists plain_read on app.promotions;
drop policy if exists creation on app.promotions;
drop policy if exists change on app.promotions;
drop policy if exists removal on app.promotions;
create policy read on app.promotions for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.roles()) && array['manager', 'admin']
);
create policy creation on app.promotions for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'promotions.create' and ((select gesta.roles()) && array['manager', 'admin'])
);
create policy change on app.promotions for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'promotions.update' and ((select gesta.roles()) && array['manager', 'admin'])
  or (select gesta.action()) = 'promotions.delete' and ((select gesta.roles()) && array['manager', 'admin'])
  or (select gesta.action()) = 'promotions.restore' and ((select gesta.roles()) && array['manager', 'admin'])
);
create policy removal on app.promotions for delete to gesta_owner using ((select gesta.is_system()));

-- Whether the actor may read a record of orders: asked as the owner, for plain SQL alone. The policy looks at
-- columns that the application's role has no right to.
create or replace function app.may_read_orders(wanted uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from app.orders r where r.id = wanted)
$$;
alter table app.orders enable row level security;
alter table app.orders force row level security;
drop policy if exists read on app.orders;
drop policy if exists plain_read on app.orders;
drop policy if exists creation on app.orders;
drop policy if exists change on app.orders;
drop policy if exists removal on app.orders;
create policy read on app.orders for select to gesta_owner using (
  (select gesta.is_system()) or (select gesta.roles()) && array['manager', 'logistician', 'admin'] or orders.user_id = (select gesta.actor()) or (exists (select from app.restaurants where restaurants.id = orders.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null))
);
create policy plain_read on app.orders for select to gesta_app using (app.may_read_orders(id));
create policy creation on app.orders for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'orders.place' and ((select gesta.roles()) && array['customer']) and orders.user_id = (select gesta.actor())
);
create policy change on app.orders for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'orders.confirm_payment' and (orders.user_id = (select gesta.actor()))
  or (select gesta.action()) = 'orders.cancel' and ((select gesta.roles()) && array['admin'] or orders.user_id = (select gesta.actor()) or (exists (select from app.restaurants where restaurants.id = orders.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null)))
  or (select gesta.action()) = 'orders.status' and ((select gesta.roles()) && array['admin'] or (exists (select from app.restaurants where restaurants.id = orders.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null)))
  or (select gesta.action()) = 'orders.delete' and ((select gesta.roles()) && array['admin'])
  or (select gesta.action()) = 'orders.restore' and ((select gesta.roles()) && array['admin'])
);
create policy removal on app.orders for delete to gesta_owner using ((select gesta.is_system()));

alter table app.wallets enable row level security;
alter table app.wallets force row level security;
drop policy if exists read on app.wallets;
drop policy if exists plain_read on app.wallets;
drop policy if exists creation on app.wallets;
drop policy if exists change on app.wallets;
drop policy if exists removal on app.wallets;
create policy read on app.wallets for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.roles()) && array['admin'] or wallets.user_id = (select gesta.actor())
);
create policy creation on app.wallets for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'wallets.create' and (false) and wallets.user_id is null and wallets.balance = 0
);
create policy change on app.wallets for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'wallets.top_up' and ((select gesta.roles()) && array['admin'])
  or (select gesta.action()) = 'wallets.withdraw' and (false)
  or (select gesta.action()) = 'wallets.deposit' and (false)
);
create policy removal on app.wallets for delete to gesta_owner using ((select gesta.is_system()));

alter table app.transfers enable row level security;
alter table app.transfers force row level security;
drop policy if exists read on app.transfers;
drop policy if exists plain_read on app.transfers;
drop policy if exists creation on app.transfers;
drop policy if exists change on app.transfers;
drop policy if exists removal on app.transfers;
create policy read on app.transfers for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.roles()) && array['admin'] or (exists (select from app.wallets where wallets.id = transfers.from_wallet_id and wallets.user_id = (select gesta.actor()) and wallets.deleted_at is null)) or (exists (select from app.wallets where wallets.id = transfers.to_wallet_id and wallets.user_id = (select gesta.actor()) and wallets.deleted_at is null))
);
create policy creation on app.transfers for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'transfers.create' and (exists (select from app.wallets where wallets.id = transfers.from_wallet_id and wallets.user_id = (select gesta.actor()) and wallets.deleted_at is null))
);
create policy change on app.transfers for update to gesta_owner using (
  (select gesta.is_system())
);
create policy removal on app.transfers for delete to gesta_owner using ((select gesta.is_system()));

alter table app.files enable row level security;
alter table app.files force row level security;
drop policy if exists read on app.files;
drop policy if exists plain_read on app.files;
drop policy if exists creation on app.files;
drop policy if exists change on app.files;
drop policy if exists removal on app.files;
create policy read on app.files for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.actor()) is not null
);
create policy creation on app.files for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'files.create' and ((select gesta.actor()) is not null) and files.owner_id = (select gesta.actor())
);
create policy change on app.files for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'files.update' and ((select gesta.roles()) && array['admin'] or files.owner_id = (select gesta.actor()))
  or (select gesta.action()) = 'files.delete' and ((select gesta.roles()) && array['admin'] or files.owner_id = (select gesta.actor()))
  or (select gesta.action()) = 'files.restore' and ((select gesta.roles()) && array['admin'] or files.owner_id = (select gesta.actor()))
);
create policy removal on app.files for delete to gesta_owner using ((select gesta.is_system()));

alter table app.documents enable row level security;
alter table app.documents force row level security;
drop policy if exists read on app.documents;
drop policy if exists plain_read on app.documents;
drop policy if exists creation on app.documents;
drop policy if exists change on app.documents;
drop policy if exists removal on app.documents;
create policy read on app.documents for select to gesta_app, gesta_owner using (
  (select gesta.is_system()) or (select gesta.actor()) is not null
);
create policy creation on app.documents for insert to gesta_owner with check (
  (select gesta.is_system()) or (select gesta.action()) = 'documents.create' and ((select gesta.actor()) is not null) and documents.owner_id = (select gesta.actor())
);
create policy change on app.documents for update to gesta_owner using (
  (select gesta.is_system()) or (select gesta.action()) = 'documents.update' and ((select gesta.roles()) && array['admin'] or documents.owner_id = (select gesta.actor()))
  or (select gesta.action()) = 'documents.delete' and ((select gesta.roles()) && array['admin'] or documents.owner_id = (select gesta.actor()))
  or (select gesta.action()) = 'documents.restore' and ((select gesta.roles()) && array['admin'] or documents.owner_id = (select gesta.actor()))
);
create policy removal on app.documents for delete to gesta_owner using ((select gesta.is_system()));

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

-- A record of drinks as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_drinks(r app.drinks, today app.drinks) returns text
language sql stable as $$
  select concat(
    '{"id":', r.id,
    ',"name":', coalesce(to_json(r.name)::text, 'null'),
    ',"price":', coalesce(trim_scale(r.price)::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_drinks(askers text[], wanted bigint[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.CY2i') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.CY2i'), ' ', app.shown_drinks(r)) end as answer from app.drinks r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'.
create or replace function app.load_drinks(askers text[], wanted bigint[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform gesta.enter('system');
  return query
    select q.place, coalesce(r.answer, 'missing')
      from unnest(wanted, known) with ordinality q (id, known, place)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.CY2i'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.CY2i') then concat(' ', app.full_drinks(r)) end) as answer from app.drinks r where r.id = q.id offset 0
      ) r on true;
end
$$;

-- A record of drinks as it was at a moment, or a version; no row where it was not.
create or replace function app.then_drinks(today app.drinks, moment timestamptz, version integer) returns setof app.drinks
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = gesta.serial_stream('drinks', today.id) and e.version <= coalesce(then_drinks.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_drinks.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.drinks, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_drinks`, or 'future'.
create or replace function app.past_drinks(askers text[], wanted bigint[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_drinks(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.drinks r, lateral app.then_drinks(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_drinks`.
create or replace function app.history_drinks(
  askers text[], wanted bigint[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', gesta.history(gesta.serial_stream('drinks', r.id), q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.drinks r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of drinks may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_drinks(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'bigint', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'price' then array['r.price', 'r.price', 'numeric', null, null]
  end
$$;

-- The query for a page of drinks, as ids where it is sought, else as lines, or for all that are to be counted.
create or replace function app.query_drinks(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.CY2i'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.CY2i''), '' '', app.shown_drinks(r)) as line' end;
  conditions text := gesta.conditions('drinks', asked);
begin
  if asked ? 'sought' then conditions := gesta.narrowed('drinks', asked); end if;
  if counting then return concat('select from app.drinks r where r.deleted_at is null', conditions); end if;
  if asked ? 'skips' then
    if not asked ?| array['sought', 'bare'] then
      shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.CY2i'')) as line, r as whole';
      line := 'concat(line, '' '', app.shown_drinks(whole))';
    end if;
  end if;
  return concat('select array(select ', line, ' from (select ', shown, ' from app.drinks r where r.deleted_at is null', conditions, gesta.order_of('drinks', asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- A record of drinks as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_drinks(r app.drinks) returns text
language sql stable as $$
  select concat(
    left(app.shown_drinks(r), -1),
    ',"deleted_at":', coalesce('"' || gesta.instant(r.deleted_at) || '"', 'null'),
    '}'
  )
$$;

-- The query for a page of drinks with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_drinks(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('drinks', asked);
  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('drinks', asked->'sort'));
    ending := concat(gesta.order_of('drinks', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat('(select ', show, ' from app.drinks r where r.deleted_at is not null', conditions, ending, ')');
  if asked->>'deleted' = 'include' then
    pages := concat(pages, ' union all ', '(select ', show, ' from app.drinks r where r.deleted_at is null', case when asked ? 'sought' then gesta.narrowed('drinks', asked) else conditions end, ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_drinks(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_drinks(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'bigint', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'price' then array['r.price', 'r.price', 'numeric', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_drinks(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'bigint', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'price' then array['r.price', 'r.price', 'numeric', null, null]
  end
$$;

-- The query for a page of drinks as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_drinks(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_drinks(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('drinks', asked);
  past_conditions text := gesta.conditions('past drinks', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at'];
  walked text := 'walked drinks';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('drinks', asked->'sort');
    ending := concat(gesta.order_of('drinks', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past drinks', asked->'sort');
    past_ending := concat(gesta.order_of('past drinks', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('drinks', at) then
      lasting := array['id', 'created_at'];
      walked := 'past drinks';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('drinks', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_drinks(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past drinks', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at from app.drinks today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.drinks today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.drinks r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.drinks today where ', other, ' and today.id in (select gesta.serial_id(e.stream_id) from gesta.events e where e.entity = ''drinks'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_drinks(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of drinks that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_drinks(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_drinks(asked, false) into lines;
  elsif asked ? 'deleted' then
    lines := array(select app.shown_deleted_drinks(r)
      from unnest((select gesta.sought('drinks', asked))::bigint[]) with ordinality s (id, nth)
      join app.drinks r on r.id = s.id order by s.nth);
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.CY2i'))
      from unnest((select gesta.sought('drinks', asked))::bigint[]) with ordinality s (id, nth)
      join app.drinks r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.CY2i'), ' ', app.shown_drinks(r))
      from unnest((select gesta.sought('drinks', asked))::bigint[]) with ordinality s (id, nth)
      join app.drinks r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of drinks for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_drinks(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('drinks bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('drinks', asked, false));
        if planned then
          lines := app.found_drinks(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('drinks bare ', sight, ask), app.query_drinks(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('drinks whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('drinks', asked, false));
        if planned then
          lines := app.found_drinks(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('drinks whole ', sight, ask), case when asked ? 'deleted' then app.query_deleted_drinks(asked, false) else app.query_drinks(asked, false) end);
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many drinks a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_drinks(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('drinks', asked, false) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('drinks', thousand))::bigint[]) s (id) join app.drinks r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'deleted' then app.query_deleted_drinks(asked, true)
         when asked ? 'as_of' then app.query_past_drinks(asked, true)
         else app.query_drinks(asked, true) end,
    estimated and (true));
end
$$;

-- Makes records of drinks for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_drinks(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.drinks;
  written smallint := gesta.type_version('drinks');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', nextval('app.drinks_id_seq'))) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.drinks select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, gesta.serial_stream('drinks', (g.made).id) as stream, g.set as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'drinks', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', case when commands[1] ? 'brief' then to_json((g.made).id)::text else app.shown_drinks((g.made)) end)),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'create' then array['name', 'price']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'drinks' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('drinks', written); end if;
  return answers;
end
$$;

-- Changes records of drinks by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_drinks(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.drinks;
  new app.drinks;
  data jsonb;
  answers text[];
  changed app.drinks[] := '{}';
  ids bigint[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.drinks r where r.id = (q.c->>'id')::bigint offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'update' then array['name', 'price']
        when 'delete' then array[]::text[]
        when 'restore' then array[]::text[]
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
    elsif old.deleted_at is not null and act <> 'restore' then
      answers[change.place] := case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', case when command ? 'brief' then to_json(old.id)::text else app.shown_drinks(old) end);
    else
      if act = 'restore' then data := data || '{"deleted_at": null}'; end if;
      new := jsonb_populate_record(old, data);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if act in ('delete') then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(gesta.serial_stream('drinks', new.id), new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', case when command ? 'brief' then to_json(new.id)::text else app.shown_drinks(new) end);
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.drinks r set (name, price, version, updated_at, deleted_at)
      = (n.name, n.price, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.append('drinks', facts);
  end if;
  return answers;
end
$$;

-- Does commands on drinks of one actor by one action.
create or replace function app.act_on_drinks(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'drinks.' || act, true);
  return case when act in ('create') then app.create_drinks(commands) else app.change_drinks(act, commands) end;
end
$$;

-- Does commands on drinks, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_drinks(commands jsonb[]) returns text[]
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
  ) then return app.act_on_drinks(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_drinks(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on drinks with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_drinks(batch jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('drinks', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_drinks(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('drinks', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_drinks(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('drinks', fresh[n:n], answers[n:n]);
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
$$;

-- Does all commands of one call on drinks, or none of them. The first row is the reply to the call, kept under its key:
-- 'done 0 <json>', or 'replayed …', 'in_flight', 'mismatch'. Where it is 'refused', a row for each command says whether it
-- could have been done: they are tried once more, each in a sub-transaction of its own, and all of it is taken back.
create or replace function app.write_all_drinks(batch jsonb, call jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('drinks', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    answers := case when cardinality(fresh) > 0 then app.apply_drinks(fresh) else '{}' end;
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if exists (select from unnest(answers) answer where answer not like 'done %') then raise sqlstate 'GE004'; end if;
    reply := gesta.reply_to_all(call, answers);
    perform gesta.remember('drinks', array[call], array[reply]);
    if call ? 'dry' then raise sqlstate 'GE003'; end if;
  exception when sqlstate 'GE003' then null;
  when sqlstate 'GE004' then reply := 'refused';
  when others then
    reply := 'refused';
    begin
      answers := '{}';
      for n in 1..cardinality(fresh) loop
        begin
          answers[n] := (app.apply_drinks(fresh[n:n]))[1];
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
$$;

-- What a record of drinks holds, in the form of events: all but its id and stamps.
create or replace function app.facts_drinks(r app.drinks) returns jsonb
language sql stable as $$
  select (app.full_drinks(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at))
$$;

create or replace function app.stamp_drinks() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_drinks(new) = app.facts_drinks(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(gesta.serial_stream('drinks', new.id));
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_drinks() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(gesta.serial_stream('drinks', old.id));
    perform gesta.append_by_hand('drinks', 'DrinkRemovedByHand', 'removed_by_hand',
      gesta.serial_stream('drinks', old.id), stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_drinks(new) = app.facts_drinks(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('drinks', 'DrinkAddedByHand', 'added_by_hand',
      gesta.serial_stream('drinks', new.id), new.version, new.updated_at, app.facts_drinks(new));
  else
    perform gesta.append_by_hand('drinks', 'DrinkChangedByHand', 'changed_by_hand',
      gesta.serial_stream('drinks', new.id), new.version, new.updated_at, gesta.differences(app.facts_drinks(old), app.facts_drinks(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.drinks
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_drinks();
create or replace trigger by_hand_recorded after insert or update or delete on app.drinks
  for each row when (current_user <> 'gesta_owner') execute function app.record_drinks();
create or replace trigger truncated after truncate on app.drinks execute function gesta.note_truncation();

-- Puts a record of drinks into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_drinks(
  wanted bigint, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := gesta.serial_stream('drinks', wanted);
  stamps gesta.stamps;
  made app.drinks;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.drinks', 'rebuild', stream, known);
  else
    perform gesta.append('drinks', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.drinks r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.drinks, state || jsonb_build_object('id', wanted));
    insert into app.drinks select (made).*
      on conflict (id) do update set (name, price, version, created_at, updated_at, deleted_at)
        = (excluded.name, excluded.price, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at);
  end if;
  return 'done';
end
$$;

drop trigger if exists audited on app.drinks;

-- A record of users as JSON: what the actor may read.
create or replace function app.shown_users(r app.users) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"name":', coalesce(to_json(r.name)::text, 'null'),
    ',"email":', coalesce(to_json(r.email)::text, 'null'),
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
    ',"name":', coalesce(to_json(r.name)::text, 'null'),
    ',"email":', coalesce(to_json(r.email)::text, 'null'),
    ',"avatar":', coalesce(to_json(r.avatar)::text, 'null'),
    ',"role":', to_json(r.role),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of users as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_users(r app.users, today app.users) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"name":', case when r.version = today.version then coalesce(to_json(today.name)::text, 'null') else gesta.past_value(r.id, r.version, 'name') end,
    ',"email":', case when r.version = today.version then coalesce(to_json(today.email)::text, 'null') else gesta.past_value(r.id, r.version, 'email') end,
    ',"avatar":', case when r.version = today.version then coalesce(to_json(today.avatar)::text, 'null') else gesta.past_value(r.id, r.version, 'avatar') end,
    ',"role":', coalesce(to_json(r.role)::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_users(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.Cy4U') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.Cy4U'), ' ', app.shown_users(r)) end as answer from app.users r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'
-- or 'unauthenticated'.
create or replace function app.load_users(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
  seen text[];
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    select array_agg(r.answer order by q.nth) into seen
      from unnest(asker.ids, asker.known) with ordinality q (id, known, nth)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.Cy4U'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.Cy4U') then concat(' ', app.full_users(r)) end) as answer from app.users r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, asker.known, seen) q (place, id, known, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.Cy4U'),
             case when q.known is distinct from concat(r.version, '.', r.xmin, '.Cy4U') then concat(' ', app.full_users(r)) end) as answer from app.users r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- The records with exactly these values of email, whole, for decisions: 'hidden <json>' or 'missing'.
create or replace function app.load_users_by_email(wanted text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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

-- A record of users as it was at a moment, or a version; no row where it was not.
create or replace function app.then_users(today app.users, moment timestamptz, version integer) returns setof app.users
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_users.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_users.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.users, (s.data - array['name', 'email', 'avatar']) || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_users`, or 'future'.
create or replace function app.past_users(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_users(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.users r, lateral app.then_users(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_users`.
create or replace function app.history_users(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', json_build_object('slice', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken), 'aside', gesta.aside_of(r.id))) as answer
            from app.users r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of users may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_users(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'email' then array['lower(r.email)', null, 'email', null, null]
    when 'role' then array['r.role', null, 'text', null, null]
    when 'created_at' then array['r.created_at', 'r.created_at', 'timestamptz', null, null]
  end
$$;

-- The query for a page of users, as ids where it is sought, else as lines, or for all that are to be counted. Who may
-- not read all of them looks among those that it can reach, through an index for each way; row-level security decides
-- all the same.
create or replace function app.query_users(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.Cy4U'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.Cy4U''), '' '', app.shown_users(r)) as line' end;
  conditions text := gesta.conditions('users', asked);
  keys text;
  ending text;
begin
  if gesta.is_system() or gesta.roles() && array['admin'] then
    if asked ? 'sought' then conditions := gesta.narrowed('users', asked); end if;
    if counting then return concat('select from app.users r where r.deleted_at is null', conditions); end if;
    if asked ? 'skips' then
      if not asked ?| array['sought', 'bare'] then
        shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.Cy4U'')) as line, r as whole';
        line := 'concat(line, '' '', app.shown_users(whole))';
      end if;
    end if;
    return concat('select array(select ', line, ' from (select ', shown, ' from app.users r where r.deleted_at is null', conditions, gesta.order_of('users', asked->'sort'), gesta.page_of(asked), ') page)');
  end if;
  if counting then
    return concat('select from app.users r where r.deleted_at is null and (r.id = (select gesta.actor()))', conditions);
  end if;
  if not asked ?| array['sought', 'bare'] then
    shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.Cy4U'')) as line, r as whole';
    line := 'concat(line, '' '', app.shown_users(whole))';
  end if;
  keys := gesta.keys_of('users', asked->'sort');
  ending := concat(gesta.order_of('users', asked->'sort'), gesta.part_of(asked));
  return concat('select array(select ', line, ' from (select * from (',
    '(select ', shown, ', ', keys, ' from app.users r where r.deleted_at is null and r.id = (select gesta.actor())', conditions, ending, ')',
    ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- A record of users as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_users(r app.users) returns text
language sql stable as $$
  select concat(
    left(app.shown_users(r), -1),
    ',"deleted_at":', coalesce('"' || gesta.instant(r.deleted_at) || '"', 'null'),
    ',"purge_at":', coalesce('"' || gesta.instant(r.deleted_at + interval '2592000000 milliseconds') || '"', 'null'),
    '}'
  )
$$;

-- The query for a page of users with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_users(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('users', asked);
  read text := case when asked ? 'sought' then ' and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or r.id = (select gesta.actor()))' end;
  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('users', asked->'sort'));
    ending := concat(gesta.order_of('users', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat('(select ', show, ' from app.users r where r.deleted_at is not null and r.purged_at is null and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''])', read, conditions, ending, ')');
  if asked->>'deleted' = 'include' then
    if gesta.is_system() or gesta.roles() && array['admin'] then
      pages := concat(pages, ' union all ', '(select ', show, ' from app.users r where r.deleted_at is null', case when asked ? 'sought' then gesta.narrowed('users', asked) else conditions end, ending, ')');
    else
      pages := concat(pages,
        ' union all ', '(select ', show, ' from app.users r where r.deleted_at is null and r.id = (select gesta.actor())', conditions, ending, ')');
    end if;
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_users(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_users(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'email' then array['lower(r.email)', null, 'email', null, null]
    when 'role' then array['r.role', null, 'text', null, null]
    when 'created_at' then array['changed.created_at', 'changed.created_at', 'timestamptz', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_users(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'email' then array['lower(r.email)', null, 'email', null, null]
    when 'role' then array['changed.role', null, 'text', null, null]
    when 'created_at' then array['changed.created_at', 'changed.created_at', 'timestamptz', null, null]
  end
$$;

-- The query for a page of users as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_users(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_users(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('users', asked);
  past_conditions text := gesta.conditions('past users', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at', 'role'];
  walked text := 'walked users';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('users', asked->'sort');
    ending := concat(gesta.order_of('users', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past users', asked->'sort');
    past_ending := concat(gesta.order_of('past users', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('users', at) then
      lasting := array['id', 'created_at'];
      walked := 'past users';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('users', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_users(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past users', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if not (gesta.is_system() or gesta.roles() && array['admin']) and walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at, today.role from app.users today where today.deleted_at is null and today.created_at <= ', moment, ' and today.id = (select gesta.actor())', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.users today where ', other, ' and today.deleted_at > ', moment, ' and (today.id = (select gesta.actor()))', early, fold, past_conditions, past_ending, ')');
  elsif not (gesta.is_system() or gesta.roles() && array['admin']) then
    pages := concat(
      '(select ', show, ' from app.users r where r.deleted_at is null', same, ' and r.id = (select gesta.actor())', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.users today where ', other, ' and today.deleted_at is null and today.id = (select gesta.actor())', early, fold, past_conditions, past_ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.users today where ', other, ' and today.deleted_at > ', moment, ' and (today.id = (select gesta.actor()))', early, fold, past_conditions, past_ending, ')');
  elsif walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at, today.role from app.users today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.users today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.users r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.users today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''users'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_users(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of users that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_users(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_users(asked, false) into lines;
  elsif asked ? 'deleted' then
    lines := array(select app.shown_deleted_users(r)
      from unnest((select gesta.sought('users', asked))::uuid[]) with ordinality s (id, nth)
      join app.users r on r.id = s.id order by s.nth);
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.Cy4U'))
      from unnest((select gesta.sought('users', asked))::uuid[]) with ordinality s (id, nth)
      join app.users r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.Cy4U'), ' ', app.shown_users(r))
      from unnest((select gesta.sought('users', asked))::uuid[]) with ordinality s (id, nth)
      join app.users r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of users for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_users(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('users bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('users', asked, true));
        if planned then
          lines := app.found_users(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('users bare ', sight, ask), app.query_users(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('users whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('users', asked, true));
        if planned then
          lines := app.found_users(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('users whole ', sight, ask), case when asked ? 'deleted' then app.query_deleted_users(asked, false) else app.query_users(asked, false) end);
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many users a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_users(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('users', asked, true) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('users', thousand))::uuid[]) s (id) join app.users r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'deleted' then app.query_deleted_users(asked, true)
         when asked ? 'as_of' then app.query_past_users(asked, true)
         else app.query_users(asked, true) end,
    estimated and (gesta.is_system() or gesta.roles() && array['admin']));
end
$$;

-- Makes records of users for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_users(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.users;
  written smallint := gesta.type_version('users');
  answers text[];
  ids uuid[];
  strays boolean;
  noted boolean;
begin
  blank.status := (select w.source->>'initial' from gesta.workflow_versions w where w.entity = 'users' order by w.version desc limit 1);
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.users select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, gesta.sealed(g.set, g.c->'sealed', array['name', 'email', 'avatar']) || jsonb_build_object('status', blank.status) as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'users', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', app.shown_users((g.made)))),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'register' then array['name', 'email', 'avatar', 'role']
         end) is distinct from '{}'
         or (coalesce(g.c->'secrets', '{}') - case g.c->>'action'
           when 'register' then array['password']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'users' and v.type_version = written
         ),
         array_agg((g.made).id)
    into answers, strays, noted, ids
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('users', written); end if;
  perform gesta.keep_secrets(q.id, q.c->'secrets') from unnest(ids, commands) q (id, c);
  perform gesta.keep_keys(commands);
  return answers;
end
$$;

-- Changes records of users by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_users(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.users;
  new app.users;
  data jsonb;
  answers text[];
  changed app.users[] := '{}';
  ids uuid[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.users r where r.id = (q.c->>'id')::uuid offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'name' then array['name']
        when 'email' then array['email']
        when 'avatar' then array['avatar']
        when 'password' then array[]::text[]
        when 'deactivate' then array[]::text[]
        when 'delete' then array[]::text[]
        when 'restore' then array['email']
      end) is distinct from '{}'
      or (coalesce(command->'secrets', '{}') - case command->>'action'
        when 'name' then array[]::text[]
        when 'email' then array[]::text[]
        when 'avatar' then array[]::text[]
        when 'password' then array['password']
        when 'deactivate' then array[]::text[]
        when 'delete' then array[]::text[]
        when 'restore' then array[]::text[]
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
    elsif act = 'restore' and old.purged_at is not null then
      answers[change.place] := 'purged';
    elsif old.deleted_at is not null and act <> 'restore' then
      answers[change.place] := case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', app.shown_users(old));
    elsif act in ('deactivate') and not exists (
      select from gesta.workflow w
        where w.entity = 'users' and w.action = act and w.from_state = old.status and w.to_state = command->>'to'
    ) then
      answers[change.place] := concat('transition_not_allowed ', old.status);
    else
      if act in ('delete') then
        answers[change.place] := gesta.barrier('users', old.id::text, command, 'always');
        continue when answers[change.place] is not null;
      end if;
      if act = 'restore' then data := data || '{"deleted_at": null}'; end if;
      new := jsonb_populate_record(old, data);
      data := gesta.sealed(data, command->'sealed', array['name', 'email', 'avatar']);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if act in ('deactivate') then
        new.status := command->>'to';
        data := data || jsonb_build_object('status', new.status);
      end if;
      if act in ('delete') then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(new.id, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', app.shown_users(new));
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.users r set (status, name, email, avatar, role, version, updated_at, deleted_at)
      = (n.status, n.name, n.email, n.avatar, n.role, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.keep_secrets((c->>'id')::uuid, c->'secrets')
      from unnest(commands, answers) q (c, answer) where answer like 'done %';
    perform gesta.end_access((c->>'id')::uuid, (c->>'session')::uuid)
      from unnest(commands, answers) q (c, answer)
      where answer like 'done %' and c->'secrets' ? 'password';
    perform gesta.keep_keys(array(select c from unnest(commands, answers) q (c, answer) where answer like 'done %'));
    perform gesta.append('users', facts);
  end if;
  return answers;
end
$$;

-- Does commands on users of one actor by one action.
create or replace function app.act_on_users(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'users.' || act, true);
  return case when act in ('register') then app.create_users(commands) else app.change_users(act, commands) end;
end
$$;

-- Does commands on users, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_users(commands jsonb[]) returns text[]
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
  ) then return app.act_on_users(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_users(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on users with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_users(batch jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('users', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_users(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('users', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_users(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('users', fresh[n:n], answers[n:n]);
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

-- What a record of users holds, in the form of events: all but its id and stamps.
create or replace function app.facts_users(r app.users) returns jsonb
language sql stable as $$
  select (app.full_users(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at), 'purged_at', gesta.instant(r.purged_at))
$$;

create or replace function app.stamp_users() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_users(new) = app.facts_users(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_users() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('users', 'UserRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, gesta.put_aside(old.id, stamps.version, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)), array['name', 'email', 'avatar']));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_users(new) = app.facts_users(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('users', 'UserAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, gesta.put_aside(new.id, new.version, app.facts_users(new), array['name', 'email', 'avatar']));
  else
    perform gesta.append_by_hand('users', 'UserChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.put_aside(new.id, new.version, gesta.differences(app.facts_users(old), app.facts_users(new)), array['name', 'email', 'avatar']));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.users
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_users();
create or replace trigger by_hand_recorded after insert or update or delete on app.users
  for each row when (current_user <> 'gesta_owner') execute function app.record_users();
create or replace trigger truncated after truncate on app.users execute function gesta.note_truncation();

-- Puts a record of users into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_users(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.users;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.users', 'rebuild', stream, known);
  else
    perform gesta.keep_keys(array[command || jsonb_build_object('id', wanted)]);
    perform gesta.append('users', array[row(
      stream, stamps.version, stamps.updated_at, gesta.sealed(command->'set', command->'sealed', array['name', 'email', 'avatar']),
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.users r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.users, state || jsonb_build_object('id', wanted));
    insert into app.users select (made).*
      on conflict (id) do update set (status, name, email, avatar, role, version, created_at, updated_at, deleted_at, purged_at)
        = (excluded.status, excluded.name, excluded.email, excluded.avatar, excluded.role, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at, excluded.purged_at);
  end if;
  return 'done';
end
$$;

create or replace function app.audit_users() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed app.users := case tg_op when 'DELETE' then old else new end;
begin
  perform gesta.audit_change('app.users', lower(tg_op), changed.id,
    case tg_op when 'DELETE' then old.version + 1 else new.version end,
    case when tg_op <> 'INSERT' then app.facts_users(old) end, case when tg_op <> 'DELETE' then app.facts_users(new) end,
    array['name', 'email', 'avatar']);
  return null;
end
$$;
drop trigger if exists audited on app.users;
create constraint trigger audited after insert or update or delete on app.users
  deferrable initially deferred for each row execute function app.audit_users();

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

-- A record of restaurants as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_restaurants(r app.restaurants, today app.restaurants) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"name":', coalesce(to_json(r.name)::text, 'null'),
    ',"city":', coalesce(to_json(r.city)::text, 'null'),
    case when gesta.is_system() or gesta.roles() && array['admin'] or gesta.actor() = any (today.staff_ids) then concat(',"staff_ids":', coalesce(to_json(r.staff_ids)::text, 'null')) end,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_restaurants(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.94ZQ', case when (select gesta.is_system()) or (select gesta.roles()) && array['admin'] or (select gesta.actor()) = any (r.staff_ids) then 1 else 0 end) then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.94ZQ', case when (select gesta.is_system()) or (select gesta.roles()) && array['admin'] or (select gesta.actor()) = any (r.staff_ids) then 1 else 0 end), ' ', app.shown_restaurants(r)) end as answer from app.restaurants r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'.
create or replace function app.load_restaurants(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform gesta.enter('system');
  return query
    select q.place, coalesce(r.answer, 'missing')
      from unnest(wanted, known) with ordinality q (id, known, place)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.94ZQ'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.94ZQ') then concat(' ', app.full_restaurants(r)) end) as answer from app.restaurants r where r.id = q.id offset 0
      ) r on true;
end
$$;

-- The fields of a record of restaurants that the actor may not read.
create or replace function app.masked_restaurants(r app.restaurants) returns text
language sql stable as $$
  select concat_ws(',', case when not (gesta.is_system() or gesta.roles() && array['admin'] or gesta.actor() = any (r.staff_ids)) then 'staff_ids' end)
$$;

-- A record of restaurants as it was at a moment, or a version; no row where it was not.
create or replace function app.then_restaurants(today app.restaurants, moment timestamptz, version integer) returns setof app.restaurants
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_restaurants.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_restaurants.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.restaurants, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_restaurants`, or 'future'.
create or replace function app.past_restaurants(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_restaurants(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.restaurants r, lateral app.then_restaurants(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_restaurants`.
create or replace function app.history_restaurants(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', app.masked_restaurants(r), '/', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.restaurants r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of restaurants may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_restaurants(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'city' then array['r.city', null, 'text', null, null]
  end
$$;

-- The query for a page of restaurants, as ids where it is sought, else as lines, or for all that are to be counted.
create or replace function app.query_restaurants(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.94ZQ'', case when (select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or (select gesta.actor()) = any (r.staff_ids) then 1 else 0 end)) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.94ZQ'', case when (select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or (select gesta.actor()) = any (r.staff_ids) then 1 else 0 end), '' '', app.shown_restaurants(r)) as line' end;
  conditions text := gesta.conditions('restaurants', asked);
begin
  if asked ? 'sought' then conditions := gesta.narrowed('restaurants', asked); end if;
  if counting then return concat('select from app.restaurants r where r.deleted_at is null', conditions); end if;
  if asked ? 'skips' then
    if not asked ?| array['sought', 'bare'] then
      shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.94ZQ'', case when (select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or (select gesta.actor()) = any (r.staff_ids) then 1 else 0 end)) as line, r as whole';
      line := 'concat(line, '' '', app.shown_restaurants(whole))';
    end if;
  end if;
  return concat('select array(select ', line, ' from (select ', shown, ' from app.restaurants r where r.deleted_at is null', conditions, gesta.order_of('restaurants', asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- A record of restaurants as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_restaurants(r app.restaurants) returns text
language sql stable as $$
  select concat(
    left(app.shown_restaurants(r), -1),
    ',"deleted_at":', coalesce('"' || gesta.instant(r.deleted_at) || '"', 'null'),
    '}'
  )
$$;

-- The query for a page of restaurants with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_restaurants(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('restaurants', asked);
  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('restaurants', asked->'sort'));
    ending := concat(gesta.order_of('restaurants', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat('(select ', show, ' from app.restaurants r where r.deleted_at is not null and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''])', conditions, ending, ')');
  if asked->>'deleted' = 'include' then
    pages := concat(pages, ' union all ', '(select ', show, ' from app.restaurants r where r.deleted_at is null', case when asked ? 'sought' then gesta.narrowed('restaurants', asked) else conditions end, ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_restaurants(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_restaurants(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'city' then array['r.city', null, 'text', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_restaurants(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'city' then array['r.city', null, 'text', null, null]
  end
$$;

-- The query for a page of restaurants as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_restaurants(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_restaurants(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('restaurants', asked);
  past_conditions text := gesta.conditions('past restaurants', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at'];
  walked text := 'walked restaurants';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('restaurants', asked->'sort');
    ending := concat(gesta.order_of('restaurants', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past restaurants', asked->'sort');
    past_ending := concat(gesta.order_of('past restaurants', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('restaurants', at) then
      lasting := array['id', 'created_at'];
      walked := 'past restaurants';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('restaurants', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_restaurants(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past restaurants', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at from app.restaurants today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.restaurants today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.restaurants r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.restaurants today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''restaurants'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_restaurants(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of restaurants that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_restaurants(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_restaurants(asked, false) into lines;
  elsif asked ? 'deleted' then
    lines := array(select app.shown_deleted_restaurants(r)
      from unnest((select gesta.sought('restaurants', asked))::uuid[]) with ordinality s (id, nth)
      join app.restaurants r on r.id = s.id order by s.nth);
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.94ZQ', case when (select gesta.is_system()) or (select gesta.roles()) && array['admin'] or (select gesta.actor()) = any (r.staff_ids) then 1 else 0 end))
      from unnest((select gesta.sought('restaurants', asked))::uuid[]) with ordinality s (id, nth)
      join app.restaurants r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.94ZQ', case when (select gesta.is_system()) or (select gesta.roles()) && array['admin'] or (select gesta.actor()) = any (r.staff_ids) then 1 else 0 end), ' ', app.shown_restaurants(r))
      from unnest((select gesta.sought('restaurants', asked))::uuid[]) with ordinality s (id, nth)
      join app.restaurants r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of restaurants for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_restaurants(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('restaurants bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('restaurants', asked, false));
        if planned then
          lines := app.found_restaurants(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('restaurants bare ', sight, ask), app.query_restaurants(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('restaurants whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('restaurants', asked, false));
        if planned then
          lines := app.found_restaurants(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('restaurants whole ', sight, ask), case when asked ? 'deleted' then app.query_deleted_restaurants(asked, false) else app.query_restaurants(asked, false) end);
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many restaurants a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_restaurants(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('restaurants', asked, false) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('restaurants', thousand))::uuid[]) s (id) join app.restaurants r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'deleted' then app.query_deleted_restaurants(asked, true)
         when asked ? 'as_of' then app.query_past_restaurants(asked, true)
         else app.query_restaurants(asked, true) end,
    estimated and (true));
end
$$;

-- Makes records of restaurants for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_restaurants(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.restaurants;
  written smallint := gesta.type_version('restaurants');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.status := (select w.source->>'initial' from gesta.workflow_versions w where w.entity = 'restaurants' order by w.version desc limit 1);
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.restaurants select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, g.set || jsonb_build_object('status', blank.status) as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'restaurants', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', app.shown_restaurants((g.made)))),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'create' then array['name', 'city', 'staff_ids']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'restaurants' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('restaurants', written); end if;
  return answers;
end
$$;

-- Changes records of restaurants by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_restaurants(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.restaurants;
  new app.restaurants;
  data jsonb;
  answers text[];
  changed app.restaurants[] := '{}';
  ids uuid[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.restaurants r where r.id = (q.c->>'id')::uuid offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'update' then array['name', 'city', 'staff_ids']
        when 'open' then array[]::text[]
        when 'close' then array[]::text[]
        when 'delete' then array[]::text[]
        when 'restore' then array[]::text[]
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
    elsif old.deleted_at is not null and act <> 'restore' then
      answers[change.place] := case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', app.shown_restaurants(old));
    elsif act in ('open', 'close') and not exists (
      select from gesta.workflow w
        where w.entity = 'restaurants' and w.action = act and w.from_state = old.status and w.to_state = command->>'to'
    ) then
      answers[change.place] := concat('transition_not_allowed ', old.status);
    else
      if act = 'restore' then data := data || '{"deleted_at": null}'; end if;
      new := jsonb_populate_record(old, data);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if act in ('open', 'close') then
        new.status := command->>'to';
        data := data || jsonb_build_object('status', new.status);
      end if;
      if act in ('delete') then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(new.id, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', app.shown_restaurants(new));
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.restaurants r set (status, name, city, staff_ids, version, updated_at, deleted_at)
      = (n.status, n.name, n.city, n.staff_ids, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.append('restaurants', facts);
  end if;
  return answers;
end
$$;

-- Does commands on restaurants of one actor by one action.
create or replace function app.act_on_restaurants(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'restaurants.' || act, true);
  return case when act in ('create') then app.create_restaurants(commands) else app.change_restaurants(act, commands) end;
end
$$;

-- Does commands on restaurants, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_restaurants(commands jsonb[]) returns text[]
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
  ) then return app.act_on_restaurants(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_restaurants(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on restaurants with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_restaurants(batch jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('restaurants', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_restaurants(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('restaurants', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_restaurants(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('restaurants', fresh[n:n], answers[n:n]);
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
$$;

-- What a record of restaurants holds, in the form of events: all but its id and stamps.
create or replace function app.facts_restaurants(r app.restaurants) returns jsonb
language sql stable as $$
  select (app.full_restaurants(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at))
$$;

create or replace function app.stamp_restaurants() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_restaurants(new) = app.facts_restaurants(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_restaurants() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('restaurants', 'RestaurantRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_restaurants(new) = app.facts_restaurants(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('restaurants', 'RestaurantAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, app.facts_restaurants(new));
  else
    perform gesta.append_by_hand('restaurants', 'RestaurantChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.differences(app.facts_restaurants(old), app.facts_restaurants(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.restaurants
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_restaurants();
create or replace trigger by_hand_recorded after insert or update or delete on app.restaurants
  for each row when (current_user <> 'gesta_owner') execute function app.record_restaurants();
create or replace trigger truncated after truncate on app.restaurants execute function gesta.note_truncation();

-- Puts a record of restaurants into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_restaurants(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.restaurants;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.restaurants', 'rebuild', stream, known);
  else
    perform gesta.append('restaurants', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.restaurants r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.restaurants, state || jsonb_build_object('id', wanted));
    insert into app.restaurants select (made).*
      on conflict (id) do update set (status, name, city, staff_ids, version, created_at, updated_at, deleted_at)
        = (excluded.status, excluded.name, excluded.city, excluded.staff_ids, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at);
  end if;
  return 'done';
end
$$;

drop trigger if exists audited on app.restaurants;

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

-- A record of menu_items as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_menu_items(r app.menu_items, today app.menu_items) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"restaurant_id":', coalesce('"' || r.restaurant_id || '"', 'null'),
    ',"name":', coalesce(to_json(r.name)::text, 'null'),
    ',"price":', coalesce(trim_scale(r.price)::text, 'null'),
    ',"available":', coalesce(r.available::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_menu_items(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.lczt') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.lczt'), ' ', app.shown_menu_items(r)) end as answer from app.menu_items r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'.
create or replace function app.load_menu_items(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform gesta.enter('system');
  return query
    select q.place, coalesce(r.answer, 'missing')
      from unnest(wanted, known) with ordinality q (id, known, place)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.lczt'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.lczt') then concat(' ', app.full_menu_items(r)) end) as answer from app.menu_items r where r.id = q.id offset 0
      ) r on true;
end
$$;

-- A record of menu_items as it was at a moment, or a version; no row where it was not.
create or replace function app.then_menu_items(today app.menu_items, moment timestamptz, version integer) returns setof app.menu_items
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_menu_items.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_menu_items.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.menu_items, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_menu_items`, or 'future'.
create or replace function app.past_menu_items(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_menu_items(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.menu_items r, lateral app.then_menu_items(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_menu_items`.
create or replace function app.history_menu_items(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.menu_items r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of menu_items may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_menu_items(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
    when 'restaurant_id' then array['r.restaurant_id', null, 'uuid', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'price' then array['r.price', 'r.price', 'numeric', null, null]
    when 'available' then array['r.available', null, 'boolean', null, null]
  end
$$;

-- The query for a page of menu_items, as ids where it is sought, else as lines, or for all that are to be counted.
create or replace function app.query_menu_items(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.lczt'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.lczt''), '' '', app.shown_menu_items(r)) as line' end;
  conditions text := gesta.conditions('menu_items', asked);
begin
  if asked ? 'sought' then conditions := gesta.narrowed('menu_items', asked); end if;
  if counting then return concat('select from app.menu_items r where r.deleted_at is null', conditions); end if;
  if asked ? 'skips' then
    if not asked ?| array['sought', 'bare'] then
      shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.lczt'')) as line, r as whole';
      line := 'concat(line, '' '', app.shown_menu_items(whole))';
    end if;
  end if;
  return concat('select array(select ', line, ' from (select ', shown, ' from app.menu_items r where r.deleted_at is null', conditions, gesta.order_of('menu_items', asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- A record of menu_items as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_menu_items(r app.menu_items) returns text
language sql stable as $$
  select concat(
    left(app.shown_menu_items(r), -1),
    ',"deleted_at":', coalesce('"' || gesta.instant(r.deleted_at) || '"', 'null'),
    '}'
  )
$$;

-- The query for a page of menu_items with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_menu_items(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('menu_items', asked);
  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('menu_items', asked->'sort'));
    ending := concat(gesta.order_of('menu_items', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat('(select ', show, ' from app.menu_items r where r.deleted_at is not null and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or (exists (select from app.restaurants where restaurants.id = r.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null)))', conditions, ending, ')');
  if asked->>'deleted' = 'include' then
    pages := concat(pages, ' union all ', '(select ', show, ' from app.menu_items r where r.deleted_at is null', case when asked ? 'sought' then gesta.narrowed('menu_items', asked) else conditions end, ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_menu_items(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_menu_items(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'restaurant_id' then array['r.restaurant_id', null, 'uuid', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'price' then array['r.price', 'r.price', 'numeric', null, null]
    when 'available' then array['r.available', null, 'boolean', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_menu_items(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'restaurant_id' then array['r.restaurant_id', null, 'uuid', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'price' then array['r.price', 'r.price', 'numeric', null, null]
    when 'available' then array['r.available', null, 'boolean', null, null]
  end
$$;

-- The query for a page of menu_items as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_menu_items(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_menu_items(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('menu_items', asked);
  past_conditions text := gesta.conditions('past menu_items', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at'];
  walked text := 'walked menu_items';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('menu_items', asked->'sort');
    ending := concat(gesta.order_of('menu_items', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past menu_items', asked->'sort');
    past_ending := concat(gesta.order_of('past menu_items', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('menu_items', at) then
      lasting := array['id', 'created_at'];
      walked := 'past menu_items';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('menu_items', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_menu_items(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past menu_items', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at from app.menu_items today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.menu_items today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.menu_items r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.menu_items today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''menu_items'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_menu_items(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of menu_items that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_menu_items(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_menu_items(asked, false) into lines;
  elsif asked ? 'deleted' then
    lines := array(select app.shown_deleted_menu_items(r)
      from unnest((select gesta.sought('menu_items', asked))::uuid[]) with ordinality s (id, nth)
      join app.menu_items r on r.id = s.id order by s.nth);
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.lczt'))
      from unnest((select gesta.sought('menu_items', asked))::uuid[]) with ordinality s (id, nth)
      join app.menu_items r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.lczt'), ' ', app.shown_menu_items(r))
      from unnest((select gesta.sought('menu_items', asked))::uuid[]) with ordinality s (id, nth)
      join app.menu_items r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of menu_items for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_menu_items(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('menu_items bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('menu_items', asked, false));
        if planned then
          lines := app.found_menu_items(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('menu_items bare ', sight, ask), app.query_menu_items(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('menu_items whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('menu_items', asked, false));
        if planned then
          lines := app.found_menu_items(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('menu_items whole ', sight, ask), case when asked ? 'deleted' then app.query_deleted_menu_items(asked, false) else app.query_menu_items(asked, false) end);
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many menu_items a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_menu_items(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('menu_items', asked, false) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('menu_items', thousand))::uuid[]) s (id) join app.menu_items r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'deleted' then app.query_deleted_menu_items(asked, true)
         when asked ? 'as_of' then app.query_past_menu_items(asked, true)
         else app.query_menu_items(asked, true) end,
    estimated and (true));
end
$$;

-- What aggregates of menu_items may be asked about: whether its values make groups, its column, the type of its values, the
-- condition under which the actor reads it, whether there may be no value, what can be made of its values, and the
-- digits of an average.
create or replace function app.aggregated_menu_items(field text) returns text[] language sql immutable as $$
  select case field
    when 'restaurant_id' then array['group', 'r.restaurant_id', 'uuid', null, null, null, null]
    when 'price' then array[null, 'r.price', 'numeric', null, null, 'min max', null]
    when 'available' then array['group', 'r.available', 'boolean', null, null, null, null]
    else '{}'
  end
$$;

-- Groups of menu_items as asked for, of the rows that a list with these filters counts: 'grouped <values to go on after, or ->',
-- a line feed and a JSON array of groups; 'too_long' or 'unauthenticated'. Values are as in `find_menu_items`.
create or replace function app.aggregate_menu_items(who text, asked jsonb) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  bodies text[];
  taken integer := (asked->'values'->>1)::integer - 1;
  last jsonb;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  begin
    execute gesta.grouped('groups of menu_items', asked, app.query_menu_items(asked, true)) into bodies;
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
$$;

-- Makes records of menu_items for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_menu_items(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.menu_items;
  written smallint := gesta.type_version('menu_items');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.menu_items select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, g.set as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'menu_items', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', case when commands[1] ? 'brief' then to_json((g.made).id)::text else app.shown_menu_items((g.made)) end)),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'create' then array['restaurant_id', 'name', 'price', 'available']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'menu_items' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('menu_items', written); end if;
  return answers;
end
$$;

-- Changes records of menu_items by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_menu_items(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.menu_items;
  new app.menu_items;
  data jsonb;
  answers text[];
  changed app.menu_items[] := '{}';
  ids uuid[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.menu_items r where r.id = (q.c->>'id')::uuid offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'update' then array['restaurant_id', 'name', 'price', 'available']
        when 'delete' then array[]::text[]
        when 'restore' then array[]::text[]
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
    elsif old.deleted_at is not null and act <> 'restore' then
      answers[change.place] := case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', case when command ? 'brief' then to_json(old.id)::text else app.shown_menu_items(old) end);
    else
      if act = 'restore' then data := data || '{"deleted_at": null}'; end if;
      new := jsonb_populate_record(old, data);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if act in ('delete') then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(new.id, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', case when command ? 'brief' then to_json(new.id)::text else app.shown_menu_items(new) end);
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.menu_items r set (restaurant_id, name, price, available, version, updated_at, deleted_at)
      = (n.restaurant_id, n.name, n.price, n.available, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.append('menu_items', facts);
  end if;
  return answers;
end
$$;

-- Does commands on menu_items of one actor by one action.
create or replace function app.act_on_menu_items(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'menu_items.' || act, true);
  return case when act in ('create') then app.create_menu_items(commands) else app.change_menu_items(act, commands) end;
end
$$;

-- Does commands on menu_items, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_menu_items(commands jsonb[]) returns text[]
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
  ) then return app.act_on_menu_items(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_menu_items(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on menu_items with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_menu_items(batch jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('menu_items', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_menu_items(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('menu_items', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_menu_items(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('menu_items', fresh[n:n], answers[n:n]);
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
$$;

-- Does all commands of one call on menu_items, or none of them. The first row is the reply to the call, kept under its key:
-- 'done 0 <json>', or 'replayed …', 'in_flight', 'mismatch'. Where it is 'refused', a row for each command says whether it
-- could have been done: they are tried once more, each in a sub-transaction of its own, and all of it is taken back.
create or replace function app.write_all_menu_items(batch jsonb, call jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('menu_items', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    answers := case when cardinality(fresh) > 0 then app.apply_menu_items(fresh) else '{}' end;
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if exists (select from unnest(answers) answer where answer not like 'done %') then raise sqlstate 'GE004'; end if;
    reply := gesta.reply_to_all(call, answers);
    perform gesta.remember('menu_items', array[call], array[reply]);
    if call ? 'dry' then raise sqlstate 'GE003'; end if;
  exception when sqlstate 'GE003' then null;
  when sqlstate 'GE004' then reply := 'refused';
  when others then
    reply := 'refused';
    begin
      answers := '{}';
      for n in 1..cardinality(fresh) loop
        begin
          answers[n] := (app.apply_menu_items(fresh[n:n]))[1];
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
$$;

-- What a record of menu_items holds, in the form of events: all but its id and stamps.
create or replace function app.facts_menu_items(r app.menu_items) returns jsonb
language sql stable as $$
  select (app.full_menu_items(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at))
$$;

create or replace function app.stamp_menu_items() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_menu_items(new) = app.facts_menu_items(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_menu_items() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('menu_items', 'MenuItemRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_menu_items(new) = app.facts_menu_items(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('menu_items', 'MenuItemAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, app.facts_menu_items(new));
  else
    perform gesta.append_by_hand('menu_items', 'MenuItemChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.differences(app.facts_menu_items(old), app.facts_menu_items(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.menu_items
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_menu_items();
create or replace trigger by_hand_recorded after insert or update or delete on app.menu_items
  for each row when (current_user <> 'gesta_owner') execute function app.record_menu_items();
create or replace trigger truncated after truncate on app.menu_items execute function gesta.note_truncation();

-- Puts a record of menu_items into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_menu_items(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.menu_items;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.menu_items', 'rebuild', stream, known);
  else
    perform gesta.append('menu_items', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.menu_items r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.menu_items, state || jsonb_build_object('id', wanted));
    insert into app.menu_items select (made).*
      on conflict (id) do update set (restaurant_id, name, price, available, version, created_at, updated_at, deleted_at)
        = (excluded.restaurant_id, excluded.name, excluded.price, excluded.available, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at);
  end if;
  return 'done';
end
$$;

drop trigger if exists audited on app.menu_items;

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

-- A record of promotions as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_promotions(r app.promotions, today app.promotions) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"code":', coalesce(to_json(r.code)::text, 'null'),
    ',"percent":', coalesce(r.percent::text, 'null'),
    ',"starts_at":', coalesce('"' || gesta.instant(r.starts_at) || '"', 'null'),
    ',"ends_at":', coalesce('"' || gesta.instant(r.ends_at) || '"', 'null'),
    ',"active":', coalesce(r.active::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_promotions(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.mgNf') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.mgNf'), ' ', app.shown_promotions(r)) end as answer from app.promotions r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'
-- or 'unauthenticated'.
create or replace function app.load_promotions(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
  seen text[];
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    select array_agg(r.answer order by q.nth) into seen
      from unnest(asker.ids, asker.known) with ordinality q (id, known, nth)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.mgNf'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.mgNf') then concat(' ', app.full_promotions(r)) end) as answer from app.promotions r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, asker.known, seen) q (place, id, known, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.mgNf'),
             case when q.known is distinct from concat(r.version, '.', r.xmin, '.mgNf') then concat(' ', app.full_promotions(r)) end) as answer from app.promotions r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- The records with exactly these values of code, whole, for decisions: 'hidden <json>' or 'missing'.
create or replace function app.load_promotions_by_code(wanted text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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

-- A record of promotions as it was at a moment, or a version; no row where it was not.
create or replace function app.then_promotions(today app.promotions, moment timestamptz, version integer) returns setof app.promotions
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_promotions.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_promotions.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.promotions, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_promotions`, or 'future'.
create or replace function app.past_promotions(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_promotions(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.promotions r, lateral app.then_promotions(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_promotions`.
create or replace function app.history_promotions(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.promotions r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of promotions may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_promotions(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
    when 'code' then array['r.code', null, 'text', null, null]
    when 'ends_at' then array['r.ends_at', 'r.ends_at', 'timestamptz', null, null]
    when 'active' then array['r.active', null, 'boolean', null, null]
  end
$$;

-- The query for a page of promotions, as ids where it is sought, else as lines, or for all that are to be counted. Who may
-- not read all of them reads none.
create or replace function app.query_promotions(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.mgNf'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.mgNf''), '' '', app.shown_promotions(r)) as line' end;
  conditions text := gesta.conditions('promotions', asked);
begin
  if not (gesta.is_system() or gesta.roles() && array['manager', 'admin']) then
    return case when counting then 'select from app.promotions r where false' else 'select array[]::text[]' end;
  end if;
  if asked ? 'sought' then conditions := gesta.narrowed('promotions', asked); end if;
  if counting then return concat('select from app.promotions r where r.deleted_at is null', conditions); end if;
  if asked ? 'skips' then
    if not asked ?| array['sought', 'bare'] then
      shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.mgNf'')) as line, r as whole';
      line := 'concat(line, '' '', app.shown_promotions(whole))';
    end if;
  end if;
  return concat('select array(select ', line, ' from (select ', shown, ' from app.promotions r where r.deleted_at is null', conditions, gesta.order_of('promotions', asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- A record of promotions as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_promotions(r app.promotions) returns text
language sql stable as $$
  select concat(
    left(app.shown_promotions(r), -1),
    ',"deleted_at":', coalesce('"' || gesta.instant(r.deleted_at) || '"', 'null'),
    '}'
  )
$$;

-- The query for a page of promotions with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_promotions(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('promotions', asked);
  read text := case when asked ? 'sought' then ' and ((select gesta.is_system()) or (select gesta.roles()) && array[''manager'', ''admin''])' end;
  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('promotions', asked->'sort'));
    ending := concat(gesta.order_of('promotions', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat('(select ', show, ' from app.promotions r where r.deleted_at is not null and ((select gesta.is_system()) or (select gesta.roles()) && array[''manager'', ''admin''])', read, conditions, ending, ')');
  if asked->>'deleted' = 'include' then
    pages := concat(pages, ' union all ', '(select ', show, ' from app.promotions r where r.deleted_at is null', read, case when asked ? 'sought' then gesta.narrowed('promotions', asked) else conditions end, ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_promotions(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_promotions(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'code' then array['r.code', null, 'text', null, null]
    when 'ends_at' then array['r.ends_at', 'r.ends_at', 'timestamptz', null, null]
    when 'active' then array['r.active', null, 'boolean', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_promotions(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'code' then array['r.code', null, 'text', null, null]
    when 'ends_at' then array['r.ends_at', 'r.ends_at', 'timestamptz', null, null]
    when 'active' then array['r.active', null, 'boolean', null, null]
  end
$$;

-- The query for a page of promotions as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_promotions(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_promotions(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('promotions', asked);
  past_conditions text := gesta.conditions('past promotions', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at'];
  walked text := 'walked promotions';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('promotions', asked->'sort');
    ending := concat(gesta.order_of('promotions', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past promotions', asked->'sort');
    past_ending := concat(gesta.order_of('past promotions', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('promotions', at) then
      lasting := array['id', 'created_at'];
      walked := 'past promotions';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('promotions', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_promotions(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past promotions', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at from app.promotions today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.promotions today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.promotions r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.promotions today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''promotions'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_promotions(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of promotions that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_promotions(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_promotions(asked, false) into lines;
  elsif asked ? 'deleted' then
    lines := array(select app.shown_deleted_promotions(r)
      from unnest((select gesta.sought('promotions', asked))::uuid[]) with ordinality s (id, nth)
      join app.promotions r on r.id = s.id order by s.nth);
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.mgNf'))
      from unnest((select gesta.sought('promotions', asked))::uuid[]) with ordinality s (id, nth)
      join app.promotions r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.mgNf'), ' ', app.shown_promotions(r))
      from unnest((select gesta.sought('promotions', asked))::uuid[]) with ordinality s (id, nth)
      join app.promotions r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of promotions for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_promotions(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('promotions bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('promotions', asked, true));
        if planned then
          lines := app.found_promotions(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('promotions bare ', sight, ask), app.query_promotions(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('promotions whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('promotions', asked, true));
        if planned then
          lines := app.found_promotions(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('promotions whole ', sight, ask), case when asked ? 'deleted' then app.query_deleted_promotions(asked, false) else app.query_promotions(asked, false) end);
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many promotions a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_promotions(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('promotions', asked, true) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('promotions', thousand))::uuid[]) s (id) join app.promotions r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'deleted' then app.query_deleted_promotions(asked, true)
         when asked ? 'as_of' then app.query_past_promotions(asked, true)
         else app.query_promotions(asked, true) end,
    estimated and (gesta.is_system() or gesta.roles() && array['manager', 'admin']));
end
$$;

-- Makes records of promotions for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_promotions(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.promotions;
  written smallint := gesta.type_version('promotions');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.promotions select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, g.set as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'promotions', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', app.shown_promotions((g.made)))),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'create' then array['code', 'percent', 'starts_at', 'ends_at', 'active']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'promotions' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('promotions', written); end if;
  return answers;
end
$$;

-- Changes records of promotions by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_promotions(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.promotions;
  new app.promotions;
  data jsonb;
  answers text[];
  changed app.promotions[] := '{}';
  ids uuid[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.promotions r where r.id = (q.c->>'id')::uuid offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'update' then array['code', 'percent', 'starts_at', 'ends_at', 'active']
        when 'delete' then array[]::text[]
        when 'restore' then array['code']
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
    elsif old.deleted_at is not null and act <> 'restore' then
      answers[change.place] := case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', app.shown_promotions(old));
    else
      if act = 'restore' then data := data || '{"deleted_at": null}'; end if;
      new := jsonb_populate_record(old, data);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if act in ('delete') then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(new.id, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', app.shown_promotions(new));
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.promotions r set (code, percent, starts_at, ends_at, active, version, updated_at, deleted_at)
      = (n.code, n.percent, n.starts_at, n.ends_at, n.active, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.append('promotions', facts);
  end if;
  return answers;
end
$$;

-- Does commands on promotions of one actor by one action.
create or replace function app.act_on_promotions(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'promotions.' || act, true);
  return case when act in ('create') then app.create_promotions(commands) else app.change_promotions(act, commands) end;
end
$$;

-- Does commands on promotions, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_promotions(commands jsonb[]) returns text[]
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
  ) then return app.act_on_promotions(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_promotions(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on promotions with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_promotions(batch jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('promotions', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_promotions(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('promotions', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_promotions(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('promotions', fresh[n:n], answers[n:n]);
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
$$;

-- What a record of promotions holds, in the form of events: all but its id and stamps.
create or replace function app.facts_promotions(r app.promotions) returns jsonb
language sql stable as $$
  select (app.full_promotions(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at))
$$;

create or replace function app.stamp_promotions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_promotions(new) = app.facts_promotions(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_promotions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('promotions', 'PromotionRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_promotions(new) = app.facts_promotions(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('promotions', 'PromotionAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, app.facts_promotions(new));
  else
    perform gesta.append_by_hand('promotions', 'PromotionChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.differences(app.facts_promotions(old), app.facts_promotions(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.promotions
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_promotions();
create or replace trigger by_hand_recorded after insert or update or delete on app.promotions
  for each row when (current_user <> 'gesta_owner') execute function app.record_promotions();
create or replace trigger truncated after truncate on app.promotions execute function gesta.note_truncation();

-- Puts a record of promotions into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_promotions(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.promotions;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.promotions', 'rebuild', stream, known);
  else
    perform gesta.append('promotions', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.promotions r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.promotions, state || jsonb_build_object('id', wanted));
    insert into app.promotions select (made).*
      on conflict (id) do update set (code, percent, starts_at, ends_at, active, version, created_at, updated_at, deleted_at)
        = (excluded.code, excluded.percent, excluded.starts_at, excluded.ends_at, excluded.active, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at);
  end if;
  return 'done';
end
$$;

drop trigger if exists audited on app.promotions;

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

-- A record of orders as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_orders(r app.orders, today app.orders) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"status":"', r.status, '"',
    ',"restaurant_id":', coalesce('"' || r.restaurant_id || '"', 'null'),
    ',"items":', coalesce(to_json(r.items)::text, 'null'),
    ',"promotion_code":', coalesce(to_json(r.promotion_code)::text, 'null'),
    ',"user_id":', coalesce('"' || r.user_id || '"', 'null'),
    ',"total_price":', coalesce(trim_scale(r.total_price)::text, 'null'),
    ',"final_price":', coalesce(trim_scale(r.final_price)::text, 'null'),
    ',"reason":', coalesce(to_json(r.reason)::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_orders(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.2uBY') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.2uBY'), ' ', app.shown_orders(r)) end as answer from app.orders r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'
-- or 'unauthenticated'.
create or replace function app.load_orders(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
  seen text[];
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    select array_agg(r.answer order by q.nth) into seen
      from unnest(asker.ids, asker.known) with ordinality q (id, known, nth)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.2uBY'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.2uBY') then concat(' ', app.full_orders(r)) end) as answer from app.orders r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, asker.known, seen) q (place, id, known, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.2uBY'),
             case when q.known is distinct from concat(r.version, '.', r.xmin, '.2uBY') then concat(' ', app.full_orders(r)) end) as answer from app.orders r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- A record of orders as it was at a moment, or a version; no row where it was not.
create or replace function app.then_orders(today app.orders, moment timestamptz, version integer) returns setof app.orders
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_orders.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_orders.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.orders, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_orders`, or 'future'.
create or replace function app.past_orders(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_orders(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.orders r, lateral app.then_orders(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_orders`.
create or replace function app.history_orders(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.orders r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of orders may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_orders(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'restaurant_id' then array['r.restaurant_id', null, 'uuid', null, null]
    when 'user_id' then array['r.user_id', null, 'uuid', null, null]
    when 'final_price' then array['r.final_price', 'r.final_price', 'numeric', null, null]
    when 'created_at' then array['r.created_at', 'r.created_at', 'timestamptz', null, null]
  end
$$;

-- The query for a page of orders, as ids where it is sought, else as lines, or for all that are to be counted. Who may
-- not read all of them looks among those that it can reach, through an index for each way; row-level security decides
-- all the same.
create or replace function app.query_orders(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.2uBY'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.2uBY''), '' '', app.shown_orders(r)) as line' end;
  conditions text := gesta.conditions('orders', asked);
  keys text;
  ending text;
begin
  if gesta.is_system() or gesta.roles() && array['manager', 'logistician', 'admin'] then
    if asked ? 'sought' then conditions := gesta.narrowed('orders', asked); end if;
    if counting then return concat('select from app.orders r where r.deleted_at is null', conditions); end if;
    if asked ? 'skips' then
      if not asked ?| array['sought', 'bare'] then
        shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.2uBY'')) as line, r as whole';
        line := 'concat(line, '' '', app.shown_orders(whole))';
      end if;
    end if;
    return concat('select array(select ', line, ' from (select ', shown, ' from app.orders r where r.deleted_at is null', conditions, gesta.order_of('orders', asked->'sort'), gesta.page_of(asked), ') page)');
  end if;
  if counting then
    return concat('select from app.orders r where r.deleted_at is null and (r.user_id = (select gesta.actor()) or r.restaurant_id = any (array(select t.id from app.restaurants t where t.deleted_at is null and t.staff_ids @> array[(select gesta.actor())])))', conditions);
  end if;
  if not asked ?| array['sought', 'bare'] then
    shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.2uBY'')) as line, r as whole';
    line := 'concat(line, '' '', app.shown_orders(whole))';
  end if;
  keys := gesta.keys_of('orders', asked->'sort');
  ending := concat(gesta.order_of('orders', asked->'sort'), gesta.part_of(asked));
  return concat('select array(select ', line, ' from (select * from (',
    '(select ', shown, ', ', keys, ' from app.orders r where r.deleted_at is null and r.user_id = (select gesta.actor())', conditions, ending, ')',
    ' union all ', '(select page.* from unnest(array(select t.id from app.restaurants t where t.deleted_at is null and t.staff_ids @> array[(select gesta.actor())])) reached (id) cross join lateral (select ', shown, ', ', keys, ' from app.orders r where r.deleted_at is null and r.restaurant_id = reached.id and (r.user_id = (select gesta.actor())) is not true', conditions, ending, ') page)',
    ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- A record of orders as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_orders(r app.orders) returns text
language sql stable as $$
  select concat(
    left(app.shown_orders(r), -1),
    ',"deleted_at":', coalesce('"' || gesta.instant(r.deleted_at) || '"', 'null'),
    ',"purge_at":', coalesce('"' || gesta.instant(r.deleted_at + interval '2592000000 milliseconds') || '"', 'null'),
    '}'
  )
$$;

-- The query for a page of orders with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_orders(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('orders', asked);
  read text := case when asked ? 'sought' then ' and ((select gesta.is_system()) or (select gesta.roles()) && array[''manager'', ''logistician'', ''admin''] or r.user_id = (select gesta.actor()) or (exists (select from app.restaurants where restaurants.id = r.restaurant_id and (select gesta.actor()) = any (restaurants.staff_ids) and restaurants.deleted_at is null)))' end;
  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('orders', asked->'sort'));
    ending := concat(gesta.order_of('orders', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat('(select ', show, ' from app.orders r where r.deleted_at is not null and r.purged_at is null and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''])', read, conditions, ending, ')');
  if asked->>'deleted' = 'include' then
    if gesta.is_system() or gesta.roles() && array['manager', 'logistician', 'admin'] then
      pages := concat(pages, ' union all ', '(select ', show, ' from app.orders r where r.deleted_at is null', case when asked ? 'sought' then gesta.narrowed('orders', asked) else conditions end, ending, ')');
    else
      pages := concat(pages,
        ' union all ', '(select ', show, ' from app.orders r where r.deleted_at is null and r.user_id = (select gesta.actor())', conditions, ending, ')',
        ' union all ', '(select page.* from unnest(array(select t.id from app.restaurants t where t.deleted_at is null and t.staff_ids @> array[(select gesta.actor())])) reached (id) cross join lateral ', '(select ', show, ' from app.orders r where r.deleted_at is null and r.restaurant_id = reached.id and (r.user_id = (select gesta.actor())) is not true', conditions, ending, ')', ' page)');
    end if;
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_orders(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_orders(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'restaurant_id' then array['r.restaurant_id', null, 'uuid', null, null]
    when 'user_id' then array['r.user_id', null, 'uuid', null, null]
    when 'final_price' then array['r.final_price', 'r.final_price', 'numeric', null, null]
    when 'created_at' then array['changed.created_at', 'changed.created_at', 'timestamptz', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_orders(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'status' then array['r.status', null, 'text', null, null]
    when 'restaurant_id' then array['changed.restaurant_id', null, 'uuid', null, null]
    when 'user_id' then array['changed.user_id', null, 'uuid', null, null]
    when 'final_price' then array['changed.final_price', 'changed.final_price', 'numeric', null, null]
    when 'created_at' then array['changed.created_at', 'changed.created_at', 'timestamptz', null, null]
  end
$$;

-- The query for a page of orders as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_orders(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_orders(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('orders', asked);
  past_conditions text := gesta.conditions('past orders', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at', 'restaurant_id', 'user_id', 'final_price'];
  walked text := 'walked orders';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('orders', asked->'sort');
    ending := concat(gesta.order_of('orders', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past orders', asked->'sort');
    past_ending := concat(gesta.order_of('past orders', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('orders', at) then
      lasting := array['id', 'created_at'];
      walked := 'past orders';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('orders', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_orders(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past orders', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if not (gesta.is_system() or gesta.roles() && array['manager', 'logistician', 'admin']) and walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at, today.restaurant_id, today.user_id, today.final_price from app.orders today where today.deleted_at is null and today.created_at <= ', moment, ' and today.user_id = (select gesta.actor())', walk, ')',
      ' union all ', '(select page.* from unnest(array(select t.id from app.restaurants t where t.deleted_at is null and t.staff_ids @> array[(select gesta.actor())])) reached (id) cross join lateral ', '(select ', walked_show, ' from (select today, today.id, today.created_at, today.restaurant_id, today.user_id, today.final_price from app.orders today where today.deleted_at is null and today.created_at <= ', moment, ' and today.restaurant_id = reached.id and (today.user_id = (select gesta.actor())) is not true', walk, ')', ' page)',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.orders today where ', other, ' and today.deleted_at > ', moment, ' and (today.user_id = (select gesta.actor()) or today.restaurant_id = any (array(select t.id from app.restaurants t where t.deleted_at is null and t.staff_ids @> array[(select gesta.actor())])))', early, fold, past_conditions, past_ending, ')');
  elsif not (gesta.is_system() or gesta.roles() && array['manager', 'logistician', 'admin']) then
    pages := concat(
      '(select ', show, ' from app.orders r where r.deleted_at is null', same, ' and r.user_id = (select gesta.actor())', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.orders today where ', other, ' and today.deleted_at is null and today.user_id = (select gesta.actor())', early, fold, past_conditions, past_ending, ')',
      ' union all ', '(select page.* from unnest(array(select t.id from app.restaurants t where t.deleted_at is null and t.staff_ids @> array[(select gesta.actor())])) reached (id) cross join lateral ', '(select ', show, ' from app.orders r where r.deleted_at is null', same, ' and r.restaurant_id = reached.id and (r.user_id = (select gesta.actor())) is not true', conditions, ending, ')', ' page)',
      ' union all ', '(select ', past_show, ' from (select * from (select living.* from unnest(array(select t.id from app.restaurants t where t.deleted_at is null and t.staff_ids @> array[(select gesta.actor())])) reached (id) cross join lateral (select today, today.id, today.created_at from app.orders today where ', other, ' and today.deleted_at is null and today.restaurant_id = reached.id and (today.user_id = (select gesta.actor())) is not true offset 0) living) today', early, fold, past_conditions, past_ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.orders today where ', other, ' and today.deleted_at > ', moment, ' and (today.user_id = (select gesta.actor()) or today.restaurant_id = any (array(select t.id from app.restaurants t where t.deleted_at is null and t.staff_ids @> array[(select gesta.actor())])))', early, fold, past_conditions, past_ending, ')');
  elsif walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at, today.restaurant_id, today.user_id, today.final_price from app.orders today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.orders today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.orders r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.orders today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''orders'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_orders(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of orders that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_orders(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_orders(asked, false) into lines;
  elsif asked ? 'deleted' then
    lines := array(select app.shown_deleted_orders(r)
      from unnest((select gesta.sought('orders', asked))::uuid[]) with ordinality s (id, nth)
      join app.orders r on r.id = s.id order by s.nth);
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.2uBY'))
      from unnest((select gesta.sought('orders', asked))::uuid[]) with ordinality s (id, nth)
      join app.orders r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.2uBY'), ' ', app.shown_orders(r))
      from unnest((select gesta.sought('orders', asked))::uuid[]) with ordinality s (id, nth)
      join app.orders r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of orders for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_orders(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('orders bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('orders', asked, true));
        if planned then
          lines := app.found_orders(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('orders bare ', sight, ask), app.query_orders(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('orders whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('orders', asked, true));
        if planned then
          lines := app.found_orders(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('orders whole ', sight, ask), case when asked ? 'deleted' then app.query_deleted_orders(asked, false) else app.query_orders(asked, false) end);
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many orders a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_orders(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('orders', asked, true) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('orders', thousand))::uuid[]) s (id) join app.orders r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'deleted' then app.query_deleted_orders(asked, true)
         when asked ? 'as_of' then app.query_past_orders(asked, true)
         else app.query_orders(asked, true) end,
    estimated and (gesta.is_system() or gesta.roles() && array['manager', 'logistician', 'admin']));
end
$$;

-- What aggregates of orders may be asked about: whether its values make groups, its column, the type of its values, the
-- condition under which the actor reads it, whether there may be no value, what can be made of its values, and the
-- digits of an average.
create or replace function app.aggregated_orders(field text) returns text[] language sql immutable as $$
  select case field
    when 'status' then array['group', 'r.status', 'text', null, null, null, null]
    when 'restaurant_id' then array['group', 'r.restaurant_id', 'uuid', null, null, null, null]
    when 'final_price' then array[null, 'r.final_price', 'numeric', null, null, 'sum avg min max', '6']
    when 'created_at' then array[null, 'r.created_at', 'timestamptz', null, null, 'min max', null]
    else '{}'
  end
$$;

-- Groups of orders as asked for, of the rows that a list with these filters counts: 'grouped <values to go on after, or ->',
-- a line feed and a JSON array of groups; 'too_long' or 'unauthenticated'. Values are as in `find_orders`.
create or replace function app.aggregate_orders(who text, asked jsonb) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  bodies text[];
  taken integer := (asked->'values'->>1)::integer - 1;
  last jsonb;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  begin
    execute gesta.grouped('groups of orders', asked, app.query_orders(asked, true)) into bodies;
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
$$;

-- Makes records of orders for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_orders(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.orders;
  written smallint := gesta.type_version('orders');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.status := (select w.source->>'initial' from gesta.workflow_versions w where w.entity = 'orders' order by w.version desc limit 1);
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.orders select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, g.set || jsonb_build_object('status', blank.status) as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'orders', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', app.shown_orders((g.made)))),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'place' then array['restaurant_id', 'items', 'promotion_code', 'user_id', 'total_price', 'final_price', 'reason']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'orders' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('orders', written); end if;
  return answers;
end
$$;

-- Changes records of orders by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_orders(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.orders;
  new app.orders;
  data jsonb;
  answers text[];
  changed app.orders[] := '{}';
  ids uuid[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.orders r where r.id = (q.c->>'id')::uuid offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'confirm_payment' then array[]::text[]
        when 'cancel' then array['reason']
        when 'status' then array[]::text[]
        when 'delete' then array[]::text[]
        when 'restore' then array[]::text[]
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
    elsif act = 'restore' and old.purged_at is not null then
      answers[change.place] := 'purged';
    elsif old.deleted_at is not null and act <> 'restore' then
      answers[change.place] := case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', app.shown_orders(old));
    elsif act in ('confirm_payment', 'cancel', 'status') and not exists (
      select from gesta.workflow w
        where w.entity = 'orders' and w.action = act and w.from_state = old.status and w.to_state = command->>'to'
    ) then
      answers[change.place] := concat('transition_not_allowed ', old.status);
    else
      if act in ('delete') then
        answers[change.place] := gesta.barrier('orders', old.id::text, command, 'always');
        continue when answers[change.place] is not null;
      end if;
      if act = 'restore' then data := data || '{"deleted_at": null}'; end if;
      new := jsonb_populate_record(old, data);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if act in ('confirm_payment', 'cancel', 'status') then
        new.status := command->>'to';
        data := data || jsonb_build_object('status', new.status);
      end if;
      if act in ('delete') then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      if row(new.items, new.total_price, new.final_price) is distinct from row(old.items, old.total_price, old.final_price)
          and gesta.has_reached('orders', 'accepted', old.status, old.id) then
        answers[change.place] := concat_ws(' ', 'frozen', old.status, case when new.items is distinct from old.items then 'items' end, case when new.total_price is distinct from old.total_price then 'total_price' end, case when new.final_price is distinct from old.final_price then 'final_price' end);
        continue;
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(new.id, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', app.shown_orders(new));
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.orders r set (status, restaurant_id, items, promotion_code, user_id, total_price, final_price, reason, version, updated_at, deleted_at)
      = (n.status, n.restaurant_id, n.items, n.promotion_code, n.user_id, n.total_price, n.final_price, n.reason, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.append('orders', facts);
  end if;
  return answers;
end
$$;

-- Does commands on orders of one actor by one action.
create or replace function app.act_on_orders(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'orders.' || act, true);
  return case when act in ('place') then app.create_orders(commands) else app.change_orders(act, commands) end;
end
$$;

-- Does commands on orders, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_orders(commands jsonb[]) returns text[]
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
  ) then return app.act_on_orders(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_orders(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on orders with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_orders(batch jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('orders', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_orders(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('orders', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_orders(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('orders', fresh[n:n], answers[n:n]);
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
$$;

-- What a record of orders holds, in the form of events: all but its id and stamps.
create or replace function app.facts_orders(r app.orders) returns jsonb
language sql stable as $$
  select (app.full_orders(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at), 'purged_at', gesta.instant(r.purged_at))
$$;

create or replace function app.stamp_orders() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_orders(new) = app.facts_orders(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_orders() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('orders', 'OrderRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_orders(new) = app.facts_orders(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('orders', 'OrderAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, app.facts_orders(new));
  else
    perform gesta.append_by_hand('orders', 'OrderChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.differences(app.facts_orders(old), app.facts_orders(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.orders
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_orders();
create or replace trigger by_hand_recorded after insert or update or delete on app.orders
  for each row when (current_user <> 'gesta_owner') execute function app.record_orders();
create or replace trigger truncated after truncate on app.orders execute function gesta.note_truncation();

-- Puts a record of orders into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_orders(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.orders;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.orders', 'rebuild', stream, known);
  else
    perform gesta.append('orders', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.orders r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.orders, state || jsonb_build_object('id', wanted));
    insert into app.orders select (made).*
      on conflict (id) do update set (status, restaurant_id, items, promotion_code, user_id, total_price, final_price, reason, version, created_at, updated_at, deleted_at, purged_at)
        = (excluded.status, excluded.restaurant_id, excluded.items, excluded.promotion_code, excluded.user_id, excluded.total_price, excluded.final_price, excluded.reason, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at, excluded.purged_at);
  end if;
  return 'done';
end
$$;

drop trigger if exists audited on app.orders;

-- A record of wallets as JSON: what the actor may read.
create or replace function app.shown_wallets(r app.wallets) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"user_id":', '"' || r.user_id || '"',
    ',"balance":', trim_scale(r.balance)::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of wallets as JSON: all but passwords.
create or replace function app.full_wallets(r app.wallets) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"user_id":', '"' || r.user_id || '"',
    ',"balance":', trim_scale(r.balance)::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of wallets as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_wallets(r app.wallets, today app.wallets) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"user_id":', coalesce('"' || r.user_id || '"', 'null'),
    ',"balance":', coalesce(trim_scale(r.balance)::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_wallets(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.f3I_') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.f3I_'), ' ', app.shown_wallets(r)) end as answer from app.wallets r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'
-- or 'unauthenticated'.
create or replace function app.load_wallets(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
  seen text[];
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    select array_agg(r.answer order by q.nth) into seen
      from unnest(asker.ids, asker.known) with ordinality q (id, known, nth)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.f3I_'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.f3I_') then concat(' ', app.full_wallets(r)) end) as answer from app.wallets r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, asker.known, seen) q (place, id, known, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.f3I_'),
             case when q.known is distinct from concat(r.version, '.', r.xmin, '.f3I_') then concat(' ', app.full_wallets(r)) end) as answer from app.wallets r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- The records with exactly these values of user_id, whole, for decisions: 'hidden <json>' or 'missing'.
create or replace function app.load_wallets_by_user_id(wanted text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform gesta.enter('system');
  return query
    select q.place, coalesce(r.answer, 'missing')
      from unnest(wanted) with ordinality q (value, place)
      left join lateral (
        select concat('hidden ', app.full_wallets(r)) as answer
          from app.wallets r
          where r.user_id = q.value::uuid and r.deleted_at is null
        offset 0
      ) r on true;
end
$$;

-- A record of wallets as it was at a moment, or a version; no row where it was not.
create or replace function app.then_wallets(today app.wallets, moment timestamptz, version integer) returns setof app.wallets
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_wallets.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_wallets.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.wallets, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_wallets`, or 'future'.
create or replace function app.past_wallets(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_wallets(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.wallets r, lateral app.then_wallets(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_wallets`.
create or replace function app.history_wallets(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.wallets r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of wallets may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_wallets(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
  end
$$;

-- The query for a page of wallets, as ids where it is sought, else as lines, or for all that are to be counted. Who may
-- not read all of them looks among those that it can reach, through an index for each way; row-level security decides
-- all the same.
create or replace function app.query_wallets(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.f3I_'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.f3I_''), '' '', app.shown_wallets(r)) as line' end;
  conditions text := gesta.conditions('wallets', asked);
  keys text;
  ending text;
begin
  if gesta.is_system() or gesta.roles() && array['admin'] then
    if asked ? 'sought' then conditions := gesta.narrowed('wallets', asked); end if;
    if counting then return concat('select from app.wallets r where r.deleted_at is null', conditions); end if;
    if asked ? 'skips' then
      if not asked ?| array['sought', 'bare'] then
        shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.f3I_'')) as line, r as whole';
        line := 'concat(line, '' '', app.shown_wallets(whole))';
      end if;
    end if;
    return concat('select array(select ', line, ' from (select ', shown, ' from app.wallets r where r.deleted_at is null', conditions, gesta.order_of('wallets', asked->'sort'), gesta.page_of(asked), ') page)');
  end if;
  if counting then
    return concat('select from app.wallets r where r.deleted_at is null and (r.user_id = (select gesta.actor()))', conditions);
  end if;
  if not asked ?| array['sought', 'bare'] then
    shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.f3I_'')) as line, r as whole';
    line := 'concat(line, '' '', app.shown_wallets(whole))';
  end if;
  keys := gesta.keys_of('wallets', asked->'sort');
  ending := concat(gesta.order_of('wallets', asked->'sort'), gesta.part_of(asked));
  return concat('select array(select ', line, ' from (select * from (',
    '(select ', shown, ', ', keys, ' from app.wallets r where r.deleted_at is null and r.user_id = (select gesta.actor())', conditions, ending, ')',
    ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_wallets(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_wallets(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
  end
$$;

-- The query for a page of wallets as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_wallets(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_wallets(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('wallets', asked);
  past_conditions text := gesta.conditions('past wallets', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at'];
  walked text := 'walked wallets';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('wallets', asked->'sort');
    ending := concat(gesta.order_of('wallets', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past wallets', asked->'sort');
    past_ending := concat(gesta.order_of('past wallets', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('wallets', at) then
      lasting := array['id', 'created_at'];
      walked := 'past wallets';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('wallets', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_wallets(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past wallets', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if not (gesta.is_system() or gesta.roles() && array['admin']) and walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at from app.wallets today where today.deleted_at is null and today.created_at <= ', moment, ' and today.user_id = (select gesta.actor())', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.wallets today where ', other, ' and today.deleted_at > ', moment, ' and (today.user_id = (select gesta.actor()))', early, fold, past_conditions, past_ending, ')');
  elsif not (gesta.is_system() or gesta.roles() && array['admin']) then
    pages := concat(
      '(select ', show, ' from app.wallets r where r.deleted_at is null', same, ' and r.user_id = (select gesta.actor())', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.wallets today where ', other, ' and today.deleted_at is null and today.user_id = (select gesta.actor())', early, fold, past_conditions, past_ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.wallets today where ', other, ' and today.deleted_at > ', moment, ' and (today.user_id = (select gesta.actor()))', early, fold, past_conditions, past_ending, ')');
  elsif walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at from app.wallets today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.wallets today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.wallets r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.wallets today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''wallets'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_wallets(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of wallets that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_wallets(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_wallets(asked, false) into lines;
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.f3I_'))
      from unnest((select gesta.sought('wallets', asked))::uuid[]) with ordinality s (id, nth)
      join app.wallets r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.f3I_'), ' ', app.shown_wallets(r))
      from unnest((select gesta.sought('wallets', asked))::uuid[]) with ordinality s (id, nth)
      join app.wallets r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of wallets for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_wallets(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('wallets bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('wallets', asked, true));
        if planned then
          lines := app.found_wallets(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('wallets bare ', sight, ask), app.query_wallets(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('wallets whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('wallets', asked, true));
        if planned then
          lines := app.found_wallets(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('wallets whole ', sight, ask), app.query_wallets(asked, false));
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many wallets a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_wallets(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('wallets', asked, true) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('wallets', thousand))::uuid[]) s (id) join app.wallets r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'as_of' then app.query_past_wallets(asked, true)
         else app.query_wallets(asked, true) end,
    estimated and (gesta.is_system() or gesta.roles() && array['admin']));
end
$$;

-- Makes records of wallets for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_wallets(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.wallets;
  written smallint := gesta.type_version('wallets');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.wallets select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, g.set as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'wallets', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', app.shown_wallets((g.made)))),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'create' then array['user_id', 'balance']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'wallets' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('wallets', written); end if;
  return answers;
end
$$;

-- Changes records of wallets by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_wallets(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.wallets;
  new app.wallets;
  data jsonb;
  answers text[];
  changed app.wallets[] := '{}';
  ids uuid[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.wallets r where r.id = (q.c->>'id')::uuid offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'top_up' then array['balance']
        when 'withdraw' then array['balance']
        when 'deposit' then array['balance']
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif old.deleted_at is not null then
      answers[change.place] := case when false then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', app.shown_wallets(old));
    else
      new := jsonb_populate_record(old, data);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if false then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(new.id, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', app.shown_wallets(new));
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.wallets r set (user_id, balance, version, updated_at, deleted_at)
      = (n.user_id, n.balance, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.append('wallets', facts);
  end if;
  return answers;
end
$$;

-- Does commands on wallets of one actor by one action.
create or replace function app.act_on_wallets(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'wallets.' || act, true);
  return case when act in ('create') then app.create_wallets(commands) else app.change_wallets(act, commands) end;
end
$$;

-- Does commands on wallets, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_wallets(commands jsonb[]) returns text[]
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
  ) then return app.act_on_wallets(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_wallets(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on wallets with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_wallets(batch jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('wallets', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_wallets(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('wallets', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_wallets(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('wallets', fresh[n:n], answers[n:n]);
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
$$;

-- What a record of wallets holds, in the form of events: all but its id and stamps.
create or replace function app.facts_wallets(r app.wallets) returns jsonb
language sql stable as $$
  select (app.full_wallets(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at))
$$;

create or replace function app.stamp_wallets() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_wallets(new) = app.facts_wallets(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_wallets() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('wallets', 'WalletRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_wallets(new) = app.facts_wallets(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('wallets', 'WalletAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, app.facts_wallets(new));
  else
    perform gesta.append_by_hand('wallets', 'WalletChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.differences(app.facts_wallets(old), app.facts_wallets(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.wallets
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_wallets();
create or replace trigger by_hand_recorded after insert or update or delete on app.wallets
  for each row when (current_user <> 'gesta_owner') execute function app.record_wallets();
create or replace trigger truncated after truncate on app.wallets execute function gesta.note_truncation();

-- Puts a record of wallets into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_wallets(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.wallets;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.wallets', 'rebuild', stream, known);
  else
    perform gesta.append('wallets', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.wallets r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.wallets, state || jsonb_build_object('id', wanted));
    insert into app.wallets select (made).*
      on conflict (id) do update set (user_id, balance, version, created_at, updated_at, deleted_at)
        = (excluded.user_id, excluded.balance, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at);
  end if;
  return 'done';
end
$$;

create or replace function app.audit_wallets() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed app.wallets := case tg_op when 'DELETE' then old else new end;
begin
  perform gesta.audit_change('app.wallets', lower(tg_op), changed.id,
    case tg_op when 'DELETE' then old.version + 1 else new.version end,
    case when tg_op <> 'INSERT' then app.facts_wallets(old) end, case when tg_op <> 'DELETE' then app.facts_wallets(new) end,
    array[]::text[]);
  return null;
end
$$;
drop trigger if exists audited on app.wallets;
create constraint trigger audited after insert or update or delete on app.wallets
  deferrable initially deferred for each row execute function app.audit_wallets();

-- A record of transfers as JSON: what the actor may read.
create or replace function app.shown_transfers(r app.transfers) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"from_wallet_id":', '"' || r.from_wallet_id || '"',
    ',"to_wallet_id":', '"' || r.to_wallet_id || '"',
    ',"amount":', trim_scale(r.amount)::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of transfers as JSON: all but passwords.
create or replace function app.full_transfers(r app.transfers) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"from_wallet_id":', '"' || r.from_wallet_id || '"',
    ',"to_wallet_id":', '"' || r.to_wallet_id || '"',
    ',"amount":', trim_scale(r.amount)::text,
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of transfers as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_transfers(r app.transfers, today app.transfers) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"from_wallet_id":', coalesce('"' || r.from_wallet_id || '"', 'null'),
    ',"to_wallet_id":', coalesce('"' || r.to_wallet_id || '"', 'null'),
    ',"amount":', coalesce(trim_scale(r.amount)::text, 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_transfers(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.P9na') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.P9na'), ' ', app.shown_transfers(r)) end as answer from app.transfers r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'
-- or 'unauthenticated'.
create or replace function app.load_transfers(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
  seen text[];
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    select array_agg(r.answer order by q.nth) into seen
      from unnest(asker.ids, asker.known) with ordinality q (id, known, nth)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.P9na'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.P9na') then concat(' ', app.full_transfers(r)) end) as answer from app.transfers r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, asker.known, seen) q (place, id, known, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.P9na'),
             case when q.known is distinct from concat(r.version, '.', r.xmin, '.P9na') then concat(' ', app.full_transfers(r)) end) as answer from app.transfers r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- A record of transfers as it was at a moment, or a version; no row where it was not.
create or replace function app.then_transfers(today app.transfers, moment timestamptz, version integer) returns setof app.transfers
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_transfers.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_transfers.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.transfers, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_transfers`, or 'future'.
create or replace function app.past_transfers(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_transfers(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.transfers r, lateral app.then_transfers(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_transfers`.
create or replace function app.history_transfers(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.transfers r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of transfers may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_transfers(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
    when 'from_wallet_id' then array['r.from_wallet_id', null, 'uuid', null, null]
    when 'to_wallet_id' then array['r.to_wallet_id', null, 'uuid', null, null]
    when 'created_at' then array['r.created_at', 'r.created_at', 'timestamptz', null, null]
  end
$$;

-- The query for a page of transfers, as ids where it is sought, else as lines, or for all that are to be counted. Who may
-- not read all of them looks among those that it can reach, through an index for each way; row-level security decides
-- all the same.
create or replace function app.query_transfers(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.P9na'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.P9na''), '' '', app.shown_transfers(r)) as line' end;
  conditions text := gesta.conditions('transfers', asked);
  keys text;
  ending text;
begin
  if gesta.is_system() or gesta.roles() && array['admin'] then
    if asked ? 'sought' then conditions := gesta.narrowed('transfers', asked); end if;
    if counting then return concat('select from app.transfers r where r.deleted_at is null', conditions); end if;
    if asked ? 'skips' then
      if not asked ?| array['sought', 'bare'] then
        shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.P9na'')) as line, r as whole';
        line := 'concat(line, '' '', app.shown_transfers(whole))';
      end if;
    end if;
    return concat('select array(select ', line, ' from (select ', shown, ' from app.transfers r where r.deleted_at is null', conditions, gesta.order_of('transfers', asked->'sort'), gesta.page_of(asked), ') page)');
  end if;
  if counting then
    return concat('select from app.transfers r where r.deleted_at is null and (r.from_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) or r.to_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))))', conditions);
  end if;
  if not asked ?| array['sought', 'bare'] then
    shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.P9na'')) as line, r as whole';
    line := 'concat(line, '' '', app.shown_transfers(whole))';
  end if;
  keys := gesta.keys_of('transfers', asked->'sort');
  ending := concat(gesta.order_of('transfers', asked->'sort'), gesta.part_of(asked));
  return concat('select array(select ', line, ' from (select * from (',
    '(select page.* from unnest(array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) reached (id) cross join lateral (select ', shown, ', ', keys, ' from app.transfers r where r.deleted_at is null and r.from_wallet_id = reached.id', conditions, ending, ') page)',
    ' union all ', '(select page.* from unnest(array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) reached (id) cross join lateral (select ', shown, ', ', keys, ' from app.transfers r where r.deleted_at is null and r.to_wallet_id = reached.id and (r.from_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor()))))) is not true', conditions, ending, ') page)',
    ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_transfers(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'from_wallet_id' then array['r.from_wallet_id', null, 'uuid', null, null]
    when 'to_wallet_id' then array['r.to_wallet_id', null, 'uuid', null, null]
    when 'created_at' then array['changed.created_at', 'changed.created_at', 'timestamptz', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_transfers(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'from_wallet_id' then array['changed.from_wallet_id', null, 'uuid', null, null]
    when 'to_wallet_id' then array['changed.to_wallet_id', null, 'uuid', null, null]
    when 'created_at' then array['changed.created_at', 'changed.created_at', 'timestamptz', null, null]
  end
$$;

-- The query for a page of transfers as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_transfers(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_transfers(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('transfers', asked);
  past_conditions text := gesta.conditions('past transfers', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at', 'from_wallet_id', 'to_wallet_id'];
  walked text := 'walked transfers';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('transfers', asked->'sort');
    ending := concat(gesta.order_of('transfers', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past transfers', asked->'sort');
    past_ending := concat(gesta.order_of('past transfers', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('transfers', at) then
      lasting := array['id', 'created_at'];
      walked := 'past transfers';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('transfers', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_transfers(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past transfers', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if not (gesta.is_system() or gesta.roles() && array['admin']) and walk is not null then
    pages := concat(
      '(select page.* from unnest(array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) reached (id) cross join lateral ', '(select ', walked_show, ' from (select today, today.id, today.created_at, today.from_wallet_id, today.to_wallet_id from app.transfers today where today.deleted_at is null and today.created_at <= ', moment, ' and today.from_wallet_id = reached.id', walk, ')', ' page)',
      ' union all ', '(select page.* from unnest(array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) reached (id) cross join lateral ', '(select ', walked_show, ' from (select today, today.id, today.created_at, today.from_wallet_id, today.to_wallet_id from app.transfers today where today.deleted_at is null and today.created_at <= ', moment, ' and today.to_wallet_id = reached.id and (today.from_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor()))))) is not true', walk, ')', ' page)',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.transfers today where ', other, ' and today.deleted_at > ', moment, ' and (today.from_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) or today.to_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))))', early, fold, past_conditions, past_ending, ')');
  elsif not (gesta.is_system() or gesta.roles() && array['admin']) then
    pages := concat(
      '(select page.* from unnest(array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) reached (id) cross join lateral ', '(select ', show, ' from app.transfers r where r.deleted_at is null', same, ' and r.from_wallet_id = reached.id', conditions, ending, ')', ' page)',
      ' union all ', '(select ', past_show, ' from (select * from (select living.* from unnest(array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) reached (id) cross join lateral (select today, today.id, today.created_at from app.transfers today where ', other, ' and today.deleted_at is null and today.from_wallet_id = reached.id offset 0) living) today', early, fold, past_conditions, past_ending, ')',
      ' union all ', '(select page.* from unnest(array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) reached (id) cross join lateral ', '(select ', show, ' from app.transfers r where r.deleted_at is null', same, ' and r.to_wallet_id = reached.id and (r.from_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor()))))) is not true', conditions, ending, ')', ' page)',
      ' union all ', '(select ', past_show, ' from (select * from (select living.* from unnest(array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) reached (id) cross join lateral (select today, today.id, today.created_at from app.transfers today where ', other, ' and today.deleted_at is null and today.to_wallet_id = reached.id and (today.from_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor()))))) is not true offset 0) living) today', early, fold, past_conditions, past_ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.transfers today where ', other, ' and today.deleted_at > ', moment, ' and (today.from_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))) or today.to_wallet_id = any (array(select t.id from app.wallets t where t.deleted_at is null and t.user_id = (select gesta.actor()) and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or t.user_id = (select gesta.actor())))))', early, fold, past_conditions, past_ending, ')');
  elsif walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at, today.from_wallet_id, today.to_wallet_id from app.transfers today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.transfers today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.transfers r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.transfers today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''transfers'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_transfers(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of transfers that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_transfers(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_transfers(asked, false) into lines;
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.P9na'))
      from unnest((select gesta.sought('transfers', asked))::uuid[]) with ordinality s (id, nth)
      join app.transfers r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.P9na'), ' ', app.shown_transfers(r))
      from unnest((select gesta.sought('transfers', asked))::uuid[]) with ordinality s (id, nth)
      join app.transfers r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of transfers for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_transfers(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('transfers bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('transfers', asked, true));
        if planned then
          lines := app.found_transfers(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('transfers bare ', sight, ask), app.query_transfers(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('transfers whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('transfers', asked, true));
        if planned then
          lines := app.found_transfers(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('transfers whole ', sight, ask), app.query_transfers(asked, false));
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many transfers a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_transfers(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('transfers', asked, true) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('transfers', thousand))::uuid[]) s (id) join app.transfers r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'as_of' then app.query_past_transfers(asked, true)
         else app.query_transfers(asked, true) end,
    estimated and (gesta.is_system() or gesta.roles() && array['admin']));
end
$$;

-- Makes records of transfers for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_transfers(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.transfers;
  written smallint := gesta.type_version('transfers');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.transfers select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, g.set as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'transfers', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', app.shown_transfers((g.made)))),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'create' then array['from_wallet_id', 'to_wallet_id', 'amount']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'transfers' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('transfers', written); end if;
  return answers;
end
$$;

-- Does commands on transfers of one actor by one action.
create or replace function app.act_on_transfers(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'transfers.' || act, true);
  return app.create_transfers(commands);
end
$$;

-- Does commands on transfers, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_transfers(commands jsonb[]) returns text[]
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
  ) then return app.act_on_transfers(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_transfers(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on transfers with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_transfers(batch jsonb) returns setof text
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
  if batch @? '$[*].effects' then perform gesta.lock_concerned('transfers', fresh);
  elsif batch @? '$[*].version' then perform gesta.lock_streams(fresh);
  else perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  end if;
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_transfers(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('transfers', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_transfers(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('transfers', fresh[n:n], answers[n:n]);
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
$$;

-- What a record of transfers holds, in the form of events: all but its id and stamps.
create or replace function app.facts_transfers(r app.transfers) returns jsonb
language sql stable as $$
  select (app.full_transfers(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at))
$$;

create or replace function app.stamp_transfers() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_transfers(new) = app.facts_transfers(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_transfers() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('transfers', 'TransferRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_transfers(new) = app.facts_transfers(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('transfers', 'TransferAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, app.facts_transfers(new));
  else
    perform gesta.append_by_hand('transfers', 'TransferChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.differences(app.facts_transfers(old), app.facts_transfers(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.transfers
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_transfers();
create or replace trigger by_hand_recorded after insert or update or delete on app.transfers
  for each row when (current_user <> 'gesta_owner') execute function app.record_transfers();
create or replace trigger truncated after truncate on app.transfers execute function gesta.note_truncation();

-- Puts a record of transfers into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_transfers(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.transfers;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.transfers', 'rebuild', stream, known);
  else
    perform gesta.append('transfers', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.transfers r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.transfers, state || jsonb_build_object('id', wanted));
    insert into app.transfers select (made).*
      on conflict (id) do update set (from_wallet_id, to_wallet_id, amount, version, created_at, updated_at, deleted_at)
        = (excluded.from_wallet_id, excluded.to_wallet_id, excluded.amount, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at);
  end if;
  return 'done';
end
$$;

create or replace function app.audit_transfers() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed app.transfers := case tg_op when 'DELETE' then old else new end;
begin
  perform gesta.audit_change('app.transfers', lower(tg_op), changed.id,
    case tg_op when 'DELETE' then old.version + 1 else new.version end,
    case when tg_op <> 'INSERT' then app.facts_transfers(old) end, case when tg_op <> 'DELETE' then app.facts_transfers(new) end,
    array[]::text[]);
  return null;
end
$$;
drop trigger if exists audited on app.transfers;
create constraint trigger audited after insert or update or delete on app.transfers
  deferrable initially deferred for each row execute function app.audit_transfers();

-- A record of files as JSON: what the actor may read.
create or replace function app.shown_files(r app.files) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"name":', to_json(r.name),
    ',"size":', r.size::text,
    ',"owner_id":', '"' || r.owner_id || '"',
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of files as JSON: all but passwords.
create or replace function app.full_files(r app.files) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"name":', to_json(r.name),
    ',"size":', r.size::text,
    ',"owner_id":', '"' || r.owner_id || '"',
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of files as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_files(r app.files, today app.files) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"name":', coalesce(to_json(r.name)::text, 'null'),
    ',"size":', coalesce(r.size::text, 'null'),
    ',"owner_id":', coalesce('"' || r.owner_id || '"', 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_files(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.1RRP') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.1RRP'), ' ', app.shown_files(r)) end as answer from app.files r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'
-- or 'unauthenticated'.
create or replace function app.load_files(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
  seen text[];
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    select array_agg(r.answer order by q.nth) into seen
      from unnest(asker.ids, asker.known) with ordinality q (id, known, nth)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.1RRP'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.1RRP') then concat(' ', app.full_files(r)) end) as answer from app.files r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, asker.known, seen) q (place, id, known, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.1RRP'),
             case when q.known is distinct from concat(r.version, '.', r.xmin, '.1RRP') then concat(' ', app.full_files(r)) end) as answer from app.files r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- A record of files as it was at a moment, or a version; no row where it was not.
create or replace function app.then_files(today app.files, moment timestamptz, version integer) returns setof app.files
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_files.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_files.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.files, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_files`, or 'future'.
create or replace function app.past_files(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_files(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.files r, lateral app.then_files(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_files`.
create or replace function app.history_files(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.files r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of files may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_files(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'size' then array['r.size', 'r.size', 'bigint', null, null]
    when 'owner_id' then array['r.owner_id', null, 'uuid', null, null]
  end
$$;

-- The query for a page of files, as ids where it is sought, else as lines, or for all that are to be counted. Who may
-- not read all of them reads none.
create or replace function app.query_files(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.1RRP'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.1RRP''), '' '', app.shown_files(r)) as line' end;
  conditions text := gesta.conditions('files', asked);
begin
  if not (gesta.is_system() or gesta.actor() is not null) then
    return case when counting then 'select from app.files r where false' else 'select array[]::text[]' end;
  end if;
  if asked ? 'sought' then conditions := gesta.narrowed('files', asked); end if;
  if counting then return concat('select from app.files r where r.deleted_at is null', conditions); end if;
  if asked ? 'skips' then
    if not asked ?| array['sought', 'bare'] then
      shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.1RRP'')) as line, r as whole';
      line := 'concat(line, '' '', app.shown_files(whole))';
    end if;
  end if;
  return concat('select array(select ', line, ' from (select ', shown, ' from app.files r where r.deleted_at is null', conditions, gesta.order_of('files', asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- A record of files as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_files(r app.files) returns text
language sql stable as $$
  select concat(
    left(app.shown_files(r), -1),
    ',"deleted_at":', coalesce('"' || gesta.instant(r.deleted_at) || '"', 'null'),
    '}'
  )
$$;

-- The query for a page of files with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_files(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('files', asked);
  read text := case when asked ? 'sought' then ' and ((select gesta.is_system()) or (select gesta.actor()) is not null)' end;
  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('files', asked->'sort'));
    ending := concat(gesta.order_of('files', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat('(select ', show, ' from app.files r where r.deleted_at is not null and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or r.owner_id = (select gesta.actor()))', read, conditions, ending, ')');
  if asked->>'deleted' = 'include' then
    pages := concat(pages, ' union all ', '(select ', show, ' from app.files r where r.deleted_at is null', read, case when asked ? 'sought' then gesta.narrowed('files', asked) else conditions end, ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_files(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_files(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'size' then array['r.size', 'r.size', 'bigint', null, null]
    when 'owner_id' then array['r.owner_id', null, 'uuid', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_files(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'name' then array['r.name', 'r.name', 'text', null, null]
    when 'size' then array['r.size', 'r.size', 'bigint', null, null]
    when 'owner_id' then array['changed.owner_id', null, 'uuid', null, null]
  end
$$;

-- The query for a page of files as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_files(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_files(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('files', asked);
  past_conditions text := gesta.conditions('past files', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at', 'owner_id'];
  walked text := 'walked files';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('files', asked->'sort');
    ending := concat(gesta.order_of('files', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past files', asked->'sort');
    past_ending := concat(gesta.order_of('past files', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('files', at) then
      lasting := array['id', 'created_at'];
      walked := 'past files';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('files', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_files(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past files', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at, today.owner_id from app.files today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.files today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.files r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.files today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''files'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_files(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of files that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_files(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_files(asked, false) into lines;
  elsif asked ? 'deleted' then
    lines := array(select app.shown_deleted_files(r)
      from unnest((select gesta.sought('files', asked))::uuid[]) with ordinality s (id, nth)
      join app.files r on r.id = s.id order by s.nth);
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.1RRP'))
      from unnest((select gesta.sought('files', asked))::uuid[]) with ordinality s (id, nth)
      join app.files r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.1RRP'), ' ', app.shown_files(r))
      from unnest((select gesta.sought('files', asked))::uuid[]) with ordinality s (id, nth)
      join app.files r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of files for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_files(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('files bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('files', asked, true));
        if planned then
          lines := app.found_files(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('files bare ', sight, ask), app.query_files(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('files whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('files', asked, true));
        if planned then
          lines := app.found_files(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('files whole ', sight, ask), case when asked ? 'deleted' then app.query_deleted_files(asked, false) else app.query_files(asked, false) end);
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many files a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_files(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('files', asked, true) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('files', thousand))::uuid[]) s (id) join app.files r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'deleted' then app.query_deleted_files(asked, true)
         when asked ? 'as_of' then app.query_past_files(asked, true)
         else app.query_files(asked, true) end,
    estimated and (gesta.is_system() or gesta.actor() is not null));
end
$$;

-- Makes records of files for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_files(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.files;
  written smallint := gesta.type_version('files');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.files select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, g.set as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'files', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', app.shown_files((g.made)))),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'create' then array['name', 'size', 'owner_id']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'files' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('files', written); end if;
  return answers;
end
$$;

-- Changes records of files by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_files(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.files;
  new app.files;
  data jsonb;
  answers text[];
  changed app.files[] := '{}';
  ids uuid[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.files r where r.id = (q.c->>'id')::uuid offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'update' then array['name', 'size']
        when 'delete' then array[]::text[]
        when 'restore' then array[]::text[]
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
    elsif old.deleted_at is not null and act <> 'restore' then
      answers[change.place] := case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', app.shown_files(old));
    else
      if act in ('delete') then
        answers[change.place] := gesta.barrier('files', old.id::text, command, 'when_linked');
        continue when answers[change.place] is not null;
      end if;
      if act = 'restore' then data := data || '{"deleted_at": null}'; end if;
      new := jsonb_populate_record(old, data);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if act in ('delete') then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(new.id, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', app.shown_files(new));
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.files r set (name, size, owner_id, version, updated_at, deleted_at)
      = (n.name, n.size, n.owner_id, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.append('files', facts);
    if act in ('delete') or act = 'restore' then
      for n in 1..cardinality(facts) loop
        perform case when act = 'restore' then gesta.bring_back('files', (changed[n]).id::text, facts[n])
                     else gesta.take_along('files', (changed[n]).id::text, facts[n]) end;
      end loop;
    end if;
  end if;
  return answers;
end
$$;

-- Does commands on files of one actor by one action.
create or replace function app.act_on_files(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'files.' || act, true);
  return case when act in ('create') then app.create_files(commands) else app.change_files(act, commands) end;
end
$$;

-- Does commands on files, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_files(commands jsonb[]) returns text[]
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
  ) then return app.act_on_files(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_files(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on files with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_files(batch jsonb) returns setof text
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
  perform gesta.lock_concerned('files', fresh);
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_files(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('files', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_files(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('files', fresh[n:n], answers[n:n]);
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
$$;

-- What a record of files holds, in the form of events: all but its id and stamps.
create or replace function app.facts_files(r app.files) returns jsonb
language sql stable as $$
  select (app.full_files(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at))
$$;

create or replace function app.stamp_files() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_files(new) = app.facts_files(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_files() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('files', 'FileRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_files(new) = app.facts_files(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('files', 'FileAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, app.facts_files(new));
  else
    perform gesta.append_by_hand('files', 'FileChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.differences(app.facts_files(old), app.facts_files(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.files
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_files();
create or replace trigger by_hand_recorded after insert or update or delete on app.files
  for each row when (current_user <> 'gesta_owner') execute function app.record_files();
create or replace trigger truncated after truncate on app.files execute function gesta.note_truncation();

-- Puts a record of files into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_files(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.files;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.files', 'rebuild', stream, known);
  else
    perform gesta.append('files', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.files r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.files, state || jsonb_build_object('id', wanted));
    insert into app.files select (made).*
      on conflict (id) do update set (name, size, owner_id, version, created_at, updated_at, deleted_at)
        = (excluded.name, excluded.size, excluded.owner_id, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at);
  end if;
  return 'done';
end
$$;

drop trigger if exists audited on app.files;

-- A record of documents as JSON: what the actor may read.
create or replace function app.shown_documents(r app.documents) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"title":', to_json(r.title),
    ',"file_ids":', to_json(r.file_ids),
    ',"owner_id":', '"' || r.owner_id || '"',
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of documents as JSON: all but passwords.
create or replace function app.full_documents(r app.documents) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"title":', to_json(r.title),
    ',"file_ids":', to_json(r.file_ids),
    ',"owner_id":', '"' || r.owner_id || '"',
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- A record of documents as JSON: as it was, with what the actor may read of it today.
create or replace function app.shown_past_documents(r app.documents, today app.documents) returns text
language sql stable as $$
  select concat(
    '{"id":"', r.id, '"',
    ',"title":', coalesce(to_json(r.title)::text, 'null'),
    ',"file_ids":', coalesce(to_json(r.file_ids)::text, 'null'),
    ',"owner_id":', coalesce('"' || r.owner_id || '"', 'null'),
    ',"version":', r.version,
    ',"created_at":"', gesta.instant(r.created_at),
    '","updated_at":"', gesta.instant(r.updated_at), '"}'
  )
$$;

-- Records for their askers: 'found <stamp> <json>', 'same' where the asker knows what has this stamp, 'gone
-- <deleted_at>', 'not_found' or 'unauthenticated'.
create or replace function app.read_documents(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.known) q (place, id, known)
        left join lateral (
          select case when r.deleted_at is not null then concat('gone ', gesta.instant(r.deleted_at))
                 when q.known = concat(r.version, '.', r.xmin, '.J3ZN') then 'same'
                 else concat('found ', concat(r.version, '.', r.xmin, '.J3ZN'), ' ', app.shown_documents(r)) end as answer from app.documents r where r.id = q.id offset 0
        ) r on true;
  end loop;
end
$$;

-- Records for decisions, whole, and whether the asker may see them: 'visible <stamp> <json>', 'hidden <stamp> <json>', the
-- same with '_gone' for deleted ones, each without the JSON where the asker knows what has this stamp; 'missing'
-- or 'unauthenticated'.
create or replace function app.load_documents(askers text[], wanted uuid[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asker record;
  seen text[];
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.known) as known
      from unnest(askers, wanted, known) with ordinality q (who, id, known, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    select array_agg(r.answer order by q.nth) into seen
      from unnest(asker.ids, asker.known) with ordinality q (id, known, nth)
      left join lateral (
        select concat('visible', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.J3ZN'),
               case when q.known is distinct from concat(r.version, '.', r.xmin, '.J3ZN') then concat(' ', app.full_documents(r)) end) as answer from app.documents r where r.id = q.id offset 0
      ) r on true;
    if array_position(seen, null) is not null then
      perform gesta.enter('system');
    end if;
    return query
      select q.place, coalesce(q.answer, r.answer, 'missing')
        from unnest(asker.places, asker.ids, asker.known, seen) q (place, id, known, answer)
        left join lateral (
          select concat('hidden', case when r.deleted_at is not null then '_gone' end, ' ', concat(r.version, '.', r.xmin, '.J3ZN'),
             case when q.known is distinct from concat(r.version, '.', r.xmin, '.J3ZN') then concat(' ', app.full_documents(r)) end) as answer from app.documents r where r.id = q.id and q.answer is null offset 0
        ) r on true;
  end loop;
end
$$;

-- A record of documents as it was at a moment, or a version; no row where it was not.
create or replace function app.then_documents(today app.documents, moment timestamptz, version integer) returns setof app.documents
language sql stable as $$
  select past.*
    from (
      select gesta.merged(e.data) as data, max(e.version) as version, min(e.at) as first_at, max(e.at) as last_at
        from (
          select e.data, e.version, e.at from gesta.events e
            where e.stream_id = today.id and e.version <= coalesce(then_documents.version, 2147483647)
              and e.at <= coalesce(moment, e.at)
            order by e.version
        ) e
        having max(e.version) = coalesce(then_documents.version, max(e.version))
    ) s, lateral jsonb_populate_record(null::app.documents, s.data || jsonb_build_object(
      'id', today.id, 'version', s.version, 'created_at', s.first_at, 'updated_at', s.last_at)) past
$$;

-- Records as they were at a moment or a version: the answers of `read_documents`, or 'future'.
create or replace function app.past_documents(askers text[], wanted uuid[], moments timestamptz[], versions integer[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.moments) as moments, array_agg(q.versions) as versions
      from unnest(askers, wanted, moments, versions) with ordinality q (who, id, moments, versions, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(case when q.moments > gesta.now() then 'future' else r.answer end, 'not_found')
        from unnest(asker.places, asker.ids, asker.moments, asker.versions) q (place, id, moments, versions)
        left join lateral (
          select case when past.deleted_at is null then concat('found ', past.version, ' ', app.shown_past_documents(past, r))
                      else concat('gone ', gesta.instant(past.deleted_at)) end as answer
            from app.documents r, lateral app.then_documents(r, q.moments, q.versions) past
            where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- Pages of the records' events: 'found <fields that the asker may not read>/<json of gesta.history>', or as `read_documents`.
create or replace function app.history_documents(
  askers text[], wanted uuid[], backwards boolean[], beyond integer[], skipped integer[], taken integer[]
) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  asker record;
begin
  for asker in
    select q.who, array_agg(q.place) as places, array_agg(q.id) as ids, array_agg(q.backwards) as backwards, array_agg(q.beyond) as beyond, array_agg(q.skipped) as skipped, array_agg(q.taken) as taken
      from unnest(askers, wanted, backwards, beyond, skipped, taken) with ordinality q (who, id, backwards, beyond, skipped, taken, place)
      group by q.who
  loop
    if not gesta.enter(asker.who) then
      return query select p, 'unauthenticated' from unnest(asker.places) p;
      continue;
    end if;
    return query
      select q.place, coalesce(r.answer, 'not_found')
        from unnest(asker.places, asker.ids, asker.backwards, asker.beyond, asker.skipped, asker.taken) q (place, id, backwards, beyond, skipped, taken)
        left join lateral (
          select concat('found ', '', '/', gesta.history(r.id, q.backwards, q.beyond, q.skipped, q.taken)) as answer
            from app.documents r where r.id = q.id
          offset 0
        ) r on true;
  end loop;
end
$$;

-- What lists of documents may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_documents(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['r.id', 'r.id', 'uuid', null, null]
    when 'title' then array['r.title', 'r.title', 'text', null, null]
    when 'file_ids' then array['r.file_ids', null, 'uuid', null, null]
    when 'owner_id' then array['r.owner_id', null, 'uuid', null, null]
  end
$$;

-- The query for a page of documents, as ids where it is sought, else as lines, or for all that are to be counted. Who may
-- not read all of them reads none.
create or replace function app.query_documents(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  line text := 'line';
  shown text := case when asked ? 'sought' then 'r.id as line'
    when asked ? 'bare' then 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.J3ZN'')) as line'
    else 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.J3ZN''), '' '', app.shown_documents(r)) as line' end;
  conditions text := gesta.conditions('documents', asked);
begin
  if not (gesta.is_system() or gesta.actor() is not null) then
    return case when counting then 'select from app.documents r where false' else 'select array[]::text[]' end;
  end if;
  if asked ? 'sought' then conditions := gesta.narrowed('documents', asked); end if;
  if counting then return concat('select from app.documents r where r.deleted_at is null', conditions); end if;
  if asked ? 'skips' then
    if not asked ?| array['sought', 'bare'] then
      shown := 'concat(r.id, '' '', concat(r.version, ''.'', r.xmin, ''.J3ZN'')) as line, r as whole';
      line := 'concat(line, '' '', app.shown_documents(whole))';
    end if;
  end if;
  return concat('select array(select ', line, ' from (select ', shown, ' from app.documents r where r.deleted_at is null', conditions, gesta.order_of('documents', asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- A record of documents as JSON, as lists with deleted records show it.
create or replace function app.shown_deleted_documents(r app.documents) returns text
language sql stable as $$
  select concat(
    left(app.shown_documents(r), -1),
    ',"deleted_at":', coalesce('"' || gesta.instant(r.deleted_at) || '"', 'null'),
    '}'
  )
$$;

-- The query for a page of documents with deleted ones that the actor may restore, or of those alone; or for all that are to
-- be counted.
create or replace function app.query_deleted_documents(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  conditions text := gesta.conditions('documents', asked);
  read text := case when asked ? 'sought' then ' and ((select gesta.is_system()) or (select gesta.actor()) is not null)' end;
  show text := '1';
  ending text;
  pages text;
begin
  if not counting then
    show := concat(case when asked ? 'sought' then 'r.id' else 'r' end, ' as whole, ', gesta.keys_of('documents', asked->'sort'));
    ending := concat(gesta.order_of('documents', asked->'sort'), gesta.part_of(asked));
  end if;
  pages := concat('(select ', show, ' from app.documents r where r.deleted_at is not null and ((select gesta.is_system()) or (select gesta.roles()) && array[''admin''] or r.owner_id = (select gesta.actor()))', read, conditions, ending, ')');
  if asked->>'deleted' = 'include' then
    pages := concat(pages, ' union all ', '(select ', show, ' from app.documents r where r.deleted_at is null', read, case when asked ? 'sought' then gesta.narrowed('documents', asked) else conditions end, ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select ', case when asked ? 'sought' then 'whole' else 'app.shown_deleted_documents(whole)' end,
    ' from (select whole from (', pages, ') pages', gesta.order_of(null, asked->'sort'), gesta.page_of(asked), ') page)');
end
$$;

-- The same of records that have changed since a moment: values as they were then, read by whom the record of today says.
create or replace function app.listed_past_documents(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'title' then array['r.title', 'r.title', 'text', null, null]
    when 'file_ids' then array['r.file_ids', null, 'uuid', null, null]
    when 'owner_id' then array['r.owner_id', null, 'uuid', null, null]
  end
$$;
-- The same where what no action changes is taken from the record of today.
create or replace function app.listed_walked_documents(field text) returns text[] language sql immutable as $$
  select case field
    when 'id' then array['changed.id', 'changed.id', 'uuid', null, null]
    when 'title' then array['r.title', 'r.title', 'text', null, null]
    when 'file_ids' then array['r.file_ids', null, 'uuid', null, null]
    when 'owner_id' then array['changed.owner_id', null, 'uuid', null, null]
  end
$$;

-- The query for a page of documents as of a moment, or for all that are to be counted: records walked in an order that lasts,
-- or what has not changed since and what has, as it was.
create or replace function app.query_past_documents(asked jsonb, counting boolean) returns text
language plpgsql stable as $$
declare
  at timestamptz := (asked->>'as_of')::timestamptz;
  moment text := format('%L::timestamptz', gesta.instant(at));
  same text := format(' and r.updated_at <= %1$s and r.created_at <= %1$s', moment);
  other text := format('today.updated_at > %1$s and today.created_at <= %1$s', moment);
  fold text := format(') changed cross join lateral app.then_documents(changed.today, %s, null) r where r.deleted_at is null', moment);
  conditions text := gesta.conditions('documents', asked);
  past_conditions text := gesta.conditions('past documents', asked);
  show text := '1';
  past_show text := '1';
  ending text;
  past_ending text;
  lasting text[] := array['id', 'created_at', 'owner_id'];
  walked text := 'walked documents';
  walked_show text;
  walk text;
  early text;
  pages text;
begin
  if not counting then
    show := 'r as whole, r as today, ' || gesta.keys_of('documents', asked->'sort');
    ending := concat(gesta.order_of('documents', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    past_show := 'r as whole, changed.today, ' || gesta.keys_of('past documents', asked->'sort');
    past_ending := concat(gesta.order_of('past documents', asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
    -- No declaration binds who changes records by hand: then stamps alone last.
    if gesta.changed_by_hand('documents', at) then
      lasting := array['id', 'created_at'];
      walked := 'past documents';
    end if;
    if gesta.all_among(asked->'sort', lasting)
      and (gesta.all_among(asked->'filters', lasting) or gesta.changed_often('documents', at, 100))
    then
      walked_show := 'r.whole, changed.today, ' || gesta.keys_of(walked, asked->'sort');
      walk := concat(format(
        ') changed cross join lateral (select t.*, t as whole from app.then_documents(changed.today, %1$s, null) t where (changed.today).updated_at > %1$s and t.deleted_at is null'
        ' union all select (changed.today).*, changed.today where (changed.today).updated_at <= %1$s) r where true', moment),
        gesta.conditions(walked, asked), gesta.order_of(walked, asked->'sort'), ' limit ', (asked->'values'->>2)::integer);
      if gesta.all_among(asked->'sort', array['id', 'created_at']) then
        early := replace(gesta.order_of('past documents', asked->'sort'), 'changed.', 'today.');
      end if;
    end if;
  end if;
  if walk is not null then
    pages := concat(
      '(select ', walked_show, ' from (select today, today.id, today.created_at, today.owner_id from app.documents today where today.deleted_at is null and today.created_at <= ', moment, '', walk, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.documents today where ', other, ' and today.deleted_at > ', moment, '', early, fold, past_conditions, past_ending, ')');
  else
    pages := concat(
      '(select ', show, ' from app.documents r where r.deleted_at is null', same, '', conditions, ending, ')',
      ' union all ', '(select ', past_show, ' from (select today, today.id, today.created_at from app.documents today where ', other, ' and today.id in (select e.stream_id from gesta.events e where e.entity = ''documents'' and e.version > 1 and e.at > ', moment, ')', early, fold, past_conditions, past_ending, ')');
  end if;
  if counting then return concat('select from (', pages, ') counted'); end if;
  return concat('select array(select app.shown_past_documents(page.whole, page.today) from (select whole, today from (', pages, ') pages',
    gesta.order_of(null, asked->'sort'), ' limit ', (asked->'values'->>1)::integer, ' offset ', (asked->'values'->>0)::integer, ') page)');
end
$$;

-- A page of documents that has to be planned for its values: one as of a moment, or one that is sought.
create or replace function app.found_documents(asked jsonb) returns text[]
language plpgsql as $$
declare
  lines text[];
begin
  if asked ? 'as_of' then
    execute app.query_past_documents(asked, false) into lines;
  elsif asked ? 'deleted' then
    lines := array(select app.shown_deleted_documents(r)
      from unnest((select gesta.sought('documents', asked))::uuid[]) with ordinality s (id, nth)
      join app.documents r on r.id = s.id order by s.nth);
  elsif asked ? 'bare' then
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.J3ZN'))
      from unnest((select gesta.sought('documents', asked))::uuid[]) with ordinality s (id, nth)
      join app.documents r on r.id = s.id order by s.nth);
  else
    lines := array(select concat(r.id, ' ', concat(r.version, '.', r.xmin, '.J3ZN'), ' ', app.shown_documents(r))
      from unnest((select gesta.sought('documents', asked))::uuid[]) with ordinality s (id, nth)
      join app.documents r on r.id = s.id order by s.nth);
  end if;
  return lines;
end
$$;

-- Pages of documents for their askers, as asked for: filters with the places of their values, the order with where to go on,
-- whether records are left out at the start, and `as_of`, a moment; the values, of which the first three are how many to
-- leave out, how many to take, and both together; and the digest of the page that the asker knows, if any. What is asked
-- alike stands together, and is looked up once. The answers: 'same' where that is the page; 'listed ' and a line for each
-- record, '<id> <stamp> <json>'; 'future' where that is where the moment lies; or 'unauthenticated'.
create or replace function app.find_documents(askers text[], asks text[], wanted text[], known text[])
returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  question record;
  asker text;
  entered boolean;
  ask text;
  sight text;
  asked jsonb;
  -- How to run the query for the lines of a page, with the JSON of its records and bare of it.
  whole text;
  bare text;
  -- Whether there is no such query, since it has to be planned for its values.
  planned boolean;
  lines text[];
begin
  for question in
    select q.nth, q.who, q.ask, q.wanted, q.known
      from unnest(askers, asks, wanted, known) with ordinality q (who, ask, wanted, known, nth)
      order by q.ask, q.who
  loop
    if entered is null or question.who is distinct from asker then
      asker := question.who;
      entered := gesta.enter(asker);
      -- Who reads all and who does not are asked for in other ways.
      if sight is distinct from concat(asker = 'system', asker is null, gesta.roles()) then
        sight := concat(asker = 'system', asker is null, gesta.roles());
        ask := null;
      end if;
    end if;
    place := question.nth;
    answer := case when not entered then 'unauthenticated' end;
    if entered then
      perform set_config('gesta.wanted', question.wanted, true);
      if ask is distinct from question.ask then
        ask := question.ask;
        asked := ask::jsonb;
        planned := null;
        whole := null;
        bare := null;
      end if;
    end if;
    if answer is null and question.known is not null then
      bare := coalesce(bare, gesta.recalled(concat('documents bare ', sight, ask)));
      if bare is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('documents', asked, true));
        if planned then
          lines := app.found_documents(asked || jsonb_build_object('values', question.wanted::jsonb, 'bare', true));
        else
          bare := gesta.prepared(concat('documents bare ', sight, ask), app.query_documents(asked || '{"bare": true}', false));
        end if;
      end if;
      if bare is not null then execute bare into lines; end if;
      if md5(array_to_string(lines, chr(10))) = question.known then answer := 'same'; end if;
    end if;
    if answer is null and (asked->>'as_of')::timestamptz > gesta.now() then answer := 'future'; end if;
    if answer is null then
      whole := coalesce(whole, gesta.recalled(concat('documents whole ', sight, ask)));
      if whole is null then
        planned := coalesce(planned, asked ? 'as_of' or gesta.is_sought('documents', asked, true));
        if planned then
          lines := app.found_documents(asked || jsonb_build_object('values', question.wanted::jsonb));
        else
          whole := gesta.prepared(concat('documents whole ', sight, ask), case when asked ? 'deleted' then app.query_deleted_documents(asked, false) else app.query_documents(asked, false) end);
        end if;
      end if;
      if whole is not null then execute whole into lines; end if;
      answer := concat('listed ', array_to_string(lines, chr(10)));
    end if;
    return next;
  end loop;
end
$$;

-- How many documents a list has in all: 'counted <number>', or 'counted -' when that takes too long. An estimate is made of
-- all rows, so whoever may not read them all is told the exact number. Up to a thousand are found as a page of them is.
create or replace function app.count_documents(who text, asked jsonb, estimated boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  thousand jsonb := asked || jsonb_build_object('values', '[0, 1001, 1001]'::jsonb || ((asked->'values') - 0 - 0 - 0));
  number bigint;
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  perform set_config('gesta.wanted', asked->>'values', true);
  if not asked ? 'as_of' and gesta.is_sought('documents', asked, true) then
    begin
      select count(*) into number
        from unnest((select gesta.sought('documents', thousand))::uuid[]) s (id) join app.documents r on r.id = s.id;
    exception when query_canceled then
      return 'counted -';
    end;
    if number < 1001 then return concat('counted ', number); end if;
  end if;
  return gesta.counted(
    case when asked ? 'deleted' then app.query_deleted_documents(asked, true)
         when asked ? 'as_of' then app.query_past_documents(asked, true)
         else app.query_documents(asked, true) end,
    estimated and (gesta.is_system() or gesta.actor() is not null));
end
$$;

-- Makes records of documents for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_documents(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank app.documents;
  written smallint := gesta.type_version('documents');
  answers text[];
  strays boolean;
  noted boolean;
begin
  blank.version := 1;
  blank.created_at := gesta.now();
  blank.updated_at := blank.created_at;
  perform gesta.demand_living('documents', to_jsonb(jsonb_populate_record(blank, c->'set')), null) from unnest(commands) c;
  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', d.c->>'id')) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into app.documents select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, (g.made).id as stream, g.set as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          'documents', written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', app.shown_documents((g.made)))),
         bool_or(((g.c->'set') - case g.c->>'action'
           when 'create' then array['title', 'file_ids', 'owner_id']
         end) is distinct from '{}'),
         exists (
           select from gesta.event_versions v where v.entity = 'documents' and v.type_version = written
         )
    into answers, strays, noted
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version('documents', written); end if;
  return answers;
end
$$;

-- Changes records of documents by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_documents(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old app.documents;
  new app.documents;
  data jsonb;
  answers text[];
  changed app.documents[] := '{}';
  ids uuid[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from app.documents r where r.id = (q.c->>'id')::uuid offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ((command->'set') - case command->>'action'
        when 'update' then array['title', 'file_ids']
        when 'delete' then array[]::text[]
        when 'restore' then array[]::text[]
        when 'detach' then array['file_ids']
      end) is distinct from '{}' then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
    elsif old.deleted_at is not null and act <> 'restore' then
      answers[change.place] := case when act in ('delete') then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', app.shown_documents(old));
    else
      if act = 'restore' then
        data := data || '{"deleted_at": null}';
        if not command ? 'along' then
          data := data || gesta.let_go_of_deleted('documents', to_jsonb(old),
            gesta.cohort_of(old.id, old.version));
        end if;
      end if;
      new := jsonb_populate_record(old, data);
      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
      if act in ('delete') then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
      if row(new.file_ids) is distinct from row(old.file_ids) then
        perform gesta.demand_living('documents', to_jsonb(new), to_jsonb(old));
      end if;
      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(new.id, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', app.shown_documents(new));
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update app.documents r set (title, file_ids, owner_id, version, updated_at, deleted_at)
      = (n.title, n.file_ids, n.owner_id, n.version, n.updated_at, n.deleted_at)
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
    perform gesta.append('documents', facts);
  end if;
  return answers;
end
$$;

-- Does commands on documents of one actor by one action.
create or replace function app.act_on_documents(who text, act text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  if not gesta.enter(who) then return array_fill('unauthenticated'::text, array[cardinality(commands)]); end if;
  perform set_config('gesta.action', 'documents.' || act, true);
  return case when act in ('create') then app.create_documents(commands) else app.change_documents(act, commands) end;
end
$$;

-- Does commands on documents, each answered in its place: 'done <version> <json>', or the refusal.
create or replace function app.apply_documents(commands jsonb[]) returns text[]
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
  ) then return app.act_on_documents(who, act, commands); end if;
  for work in
    select c->>'actor' as who, c->>'action' as act, array_agg(c order by place) as commands,
           array_agg(place::integer order by place) as places
      from unnest(commands) with ordinality q (c, place)
      group by 1, 2
  loop
    done := app.act_on_documents(work.who, work.act, work.commands);
    for n in 1..cardinality(done) loop
      answers[work.places[n]] := done[n];
    end loop;
  end loop;
  return answers;
end
$$;

-- Does a batch of commands on documents with all their effects: one answer for each, in order. They are tried all together;
-- when one of them fails, each is done in a sub-transaction of its own, so that it fails alone. A dry run is taken back.
create or replace function app.write_documents(batch jsonb) returns setof text
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
  perform gesta.lock_concerned('documents', fresh);
  begin
    if batch @? '$[*].dry' then raise sqlstate 'GE003'; end if;
    answers := app.apply_documents(fresh);
    if batch @? '$[*].effects' then perform gesta.apply_effects(fresh, answers); end if;
    if keyed then perform gesta.remember('documents', fresh, answers); end if;
  exception when others then
    answers := '{}';
    for n in 1..cardinality(fresh) loop
      begin
        answers[n] := (app.apply_documents(fresh[n:n]))[1];
        perform gesta.apply_effects(fresh[n:n], answers[n:n]);
        perform gesta.remember('documents', fresh[n:n], answers[n:n]);
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
$$;

-- What a record of documents holds, in the form of events: all but its id and stamps.
create or replace function app.facts_documents(r app.documents) returns jsonb
language sql stable as $$
  select (app.full_documents(r)::jsonb - '{id,version,created_at,updated_at}'::text[])
         || jsonb_build_object('deleted_at', gesta.instant(r.deleted_at))
$$;

create or replace function app.stamp_documents() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_documents(new) = app.facts_documents(old) then
    stamps := row(old.version, old.created_at, old.updated_at);
  else
    stamps := gesta.next_stamps(new.id);
  end if;
  new.version := stamps.version;
  new.created_at := stamps.created_at;
  new.updated_at := stamps.updated_at;
  return new;
end
$$;

create or replace function app.record_documents() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stamps gesta.stamps;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.id <> old.id) then
    stamps := gesta.next_stamps(old.id);
    perform gesta.append_by_hand('documents', 'DocumentRemovedByHand', 'removed_by_hand',
      old.id, stamps.version, stamps.updated_at, jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)));
    if tg_op = 'DELETE' then return null; end if;
  end if;
  if tg_op = 'UPDATE' and new.id = old.id and app.facts_documents(new) = app.facts_documents(old) then return null; end if;
  -- A record that no event knew yet is told whole.
  if tg_op = 'INSERT' or new.id <> old.id or new.version = 1 then
    perform gesta.append_by_hand('documents', 'DocumentAddedByHand', 'added_by_hand',
      new.id, new.version, new.updated_at, app.facts_documents(new));
  else
    perform gesta.append_by_hand('documents', 'DocumentChangedByHand', 'changed_by_hand',
      new.id, new.version, new.updated_at, gesta.differences(app.facts_documents(old), app.facts_documents(new)));
  end if;
  return null;
end
$$;

create or replace trigger by_hand_stamped before insert or update on app.documents
  for each row when (current_user <> 'gesta_owner') execute function app.stamp_documents();
create or replace trigger by_hand_recorded after insert or update or delete on app.documents
  for each row when (current_user <> 'gesta_owner') execute function app.record_documents();
create or replace trigger truncated after truncate on app.documents execute function gesta.note_truncation();

-- Puts a record of documents into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version `known`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_documents(
  wanted uuid, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := wanted;
  stamps gesta.stamps;
  made app.documents;
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, 'app.documents', 'rebuild', stream, known);
  else
    perform gesta.append('documents', array[row(
      stream, stamps.version, stamps.updated_at, command->'set',
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from app.documents r where r.id = wanted;
  else
    made := jsonb_populate_record(null::app.documents, state || jsonb_build_object('id', wanted));
    insert into app.documents select (made).*
      on conflict (id) do update set (title, file_ids, owner_id, version, created_at, updated_at, deleted_at)
        = (excluded.title, excluded.file_ids, excluded.owner_id, excluded.version, excluded.created_at, excluded.updated_at, excluded.deleted_at);
  end if;
  return 'done';
end
$$;

drop trigger if exists audited on app.documents;

-- The value in a place of what a list was asked for, and all values in such a place.
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

-- What lists of an entity, or of its past, know of a field: see `app.listed_<entity>` and `app.listed_past_<entity>`;
-- and what its groups do: `app.aggregated_<entity>`.
create or replace function gesta.listed(entity text, field text) returns text[] language sql immutable as $$
  select case entity
    when 'drinks' then app.listed_drinks(field)
    when 'past drinks' then app.listed_past_drinks(field)
    when 'walked drinks' then app.listed_walked_drinks(field)
    when 'users' then app.listed_users(field)
    when 'past users' then app.listed_past_users(field)
    when 'walked users' then app.listed_walked_users(field)
    when 'restaurants' then app.listed_restaurants(field)
    when 'past restaurants' then app.listed_past_restaurants(field)
    when 'walked restaurants' then app.listed_walked_restaurants(field)
    when 'menu_items' then app.listed_menu_items(field)
    when 'past menu_items' then app.listed_past_menu_items(field)
    when 'walked menu_items' then app.listed_walked_menu_items(field)
    when 'groups of menu_items' then app.aggregated_menu_items(field)
    when 'promotions' then app.listed_promotions(field)
    when 'past promotions' then app.listed_past_promotions(field)
    when 'walked promotions' then app.listed_walked_promotions(field)
    when 'orders' then app.listed_orders(field)
    when 'past orders' then app.listed_past_orders(field)
    when 'walked orders' then app.listed_walked_orders(field)
    when 'groups of orders' then app.aggregated_orders(field)
    when 'wallets' then app.listed_wallets(field)
    when 'past wallets' then app.listed_past_wallets(field)
    when 'walked wallets' then app.listed_walked_wallets(field)
    when 'transfers' then app.listed_transfers(field)
    when 'past transfers' then app.listed_past_transfers(field)
    when 'walked transfers' then app.listed_walked_transfers(field)
    when 'files' then app.listed_files(field)
    when 'past files' then app.listed_past_files(field)
    when 'walked files' then app.listed_walked_files(field)
    when 'documents' then app.listed_documents(field)
    when 'past documents' then app.listed_past_documents(field)
    when 'walked documents' then app.listed_walked_documents(field)
  end
$$;

-- The texts in a JSON array, known while a query is planned.
create or replace function gesta.texts(list jsonb) returns text[] language plpgsql immutable as $$
begin
  return array(select jsonb_array_elements_text(list));
end
$$;

-- One filter as a condition, null for one that there is not. `place` is where its value stands: in the setting of the
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
      col := format('(lower(%s collate "und-x-icu") collate "C")', col);
      value := format(form, format('(lower(%s collate "und-x-icu") collate "C")', wanted));
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
  if (select count(*) >= 200 from pg_prepared_statements p) then return statement; end if;
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
  gesta.wanted(integer),
  gesta.wanted_all(integer),
  gesta.after_start(text),
  gesta.listed(text, text),
  gesta.texts(jsonb),
  gesta.condition(text[], text, integer, boolean),
  gesta.conditions(text, jsonb),
  gesta.sort_key(text[]),
  gesta.beyond(text, jsonb),
  gesta.keys_of(text, jsonb),
  gesta.order_of(text, jsonb),
  gesta.all_among(jsonb, text[]),
  gesta.page_of(jsonb),
  gesta.part_of(jsonb),
  gesta.signed(text),
  gesta.recalled(text),
  gesta.prepared(text, text),
  gesta.counted(text, boolean)
  from public;

-- What is made of the values in a column, null for what may not be. Numbers are exact; an average is rounded, half away
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
  from public;

-- Does commands on an entity.
create or replace function gesta.apply(entity text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  return case entity
    when 'drinks' then app.apply_drinks(commands)
    when 'users' then app.apply_users(commands)
    when 'restaurants' then app.apply_restaurants(commands)
    when 'menu_items' then app.apply_menu_items(commands)
    when 'promotions' then app.apply_promotions(commands)
    when 'orders' then app.apply_orders(commands)
    when 'wallets' then app.apply_wallets(commands)
    when 'transfers' then app.apply_transfers(commands)
    when 'files' then app.apply_files(commands)
    when 'documents' then app.apply_documents(commands)
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
$$;

grant select (id, version, deleted_at) on app.files to gesta_gate;
drop policy if exists look on app.files;
create policy look on app.files for select to gesta_gate using (true);

grant select (id, version, deleted_at, file_ids) on app.documents to gesta_gate;
drop policy if exists look on app.documents;
create policy look on app.documents for select to gesta_gate using (true);

-- The references that have a say when the record they point to is deleted, and how many a list holds at most.
create or replace function gesta.delete_rules() returns table (entity text, field text, rule text, target text, most integer)
language sql immutable as $$
  values ('documents', 'file_ids', 'detach', 'files', 100)
$$;

-- How the delete and the events of an entity are called.
create or replace function gesta.names_of(entity text) returns jsonb language sql immutable as $$
  select case entity
    when 'drinks' then '{"delete":"delete","deleted":"DrinkDeleted","restored":"DrinkRestored","detached":"DrinkUpdated"}'::jsonb
    when 'users' then '{"delete":"delete","deleted":"UserDeleted","restored":"UserRestored","detached":"UserUpdated"}'::jsonb
    when 'restaurants' then '{"delete":"delete","deleted":"RestaurantDeleted","restored":"RestaurantRestored","detached":"RestaurantUpdated"}'::jsonb
    when 'menu_items' then '{"delete":"delete","deleted":"MenuItemDeleted","restored":"MenuItemRestored","detached":"MenuItemUpdated"}'::jsonb
    when 'promotions' then '{"delete":"delete","deleted":"PromotionDeleted","restored":"PromotionRestored","detached":"PromotionUpdated"}'::jsonb
    when 'orders' then '{"delete":"delete","deleted":"OrderDeleted","restored":"OrderRestored","detached":"OrderUpdated"}'::jsonb
    when 'wallets' then '{"detached":"WalletUpdated"}'::jsonb
    when 'transfers' then '{"detached":"TransferUpdated"}'::jsonb
    when 'files' then '{"delete":"delete","deleted":"FileDeleted","restored":"FileRestored","detached":"FileUpdated"}'::jsonb
    when 'documents' then '{"delete":"delete","deleted":"DocumentDeleted","restored":"DocumentRestored","detached":"DocumentUpdated"}'::jsonb
  end
$$;

-- Those of the records that the actor who has entered may read, and may see the field of; a hundred at most.
create or replace function gesta.readable(of_entity text, of_field text, ids text[]) returns text[]
language plpgsql stable as $$
begin
  case of_entity
    when 'drinks' then
      return array(
        select r.id::text from app.drinks r
          where r.id = any (ids::bigint[])
          order by r.id limit 100
      );
    when 'users' then
      return array(
        select r.id::text from app.users r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
    when 'restaurants' then
      return array(
        select r.id::text from app.restaurants r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
    when 'menu_items' then
      return array(
        select r.id::text from app.menu_items r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
    when 'promotions' then
      return array(
        select r.id::text from app.promotions r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
    when 'orders' then
      return array(
        select r.id::text from app.orders r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
    when 'wallets' then
      return array(
        select r.id::text from app.wallets r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
    when 'transfers' then
      return array(
        select r.id::text from app.transfers r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
    when 'files' then
      return array(
        select r.id::text from app.files r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
    when 'documents' then
      return array(
        select r.id::text from app.documents r
          where r.id = any (ids::uuid[])
          order by r.id limit 100
      );
  end case;
end
$$;

set local role gesta_gate;

-- The living records that refer to records of an entity, by the references that have a say; so many of each at most. A
-- plan is made once, for one id as for thousands, and for tables that nobody has analysed yet: with nested loops it may
-- compare each id with each entry of each list.
create or replace function gesta.dependents(of_entity text, ids text[], most integer) returns setof gesta.dependent
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set enable_nestloop = off as $$
begin
  case of_entity
    when 'files' then
      if cardinality(ids) <= 20 then
        return query select distinct 'documents', 'file_ids', 'detach', r.id::text, r.version from unnest(ids::uuid[]) q (id), lateral (
          select r.id, r.version from app.documents r where r.file_ids @> array[q.id] and r.deleted_at is null offset 0
        ) r limit most;
      else
        return query select distinct 'documents', 'file_ids', 'detach', r.id::text, r.version from app.documents r, unnest(r.file_ids) e (id)
          where r.deleted_at is null and e.id in (select unnest(ids::uuid[])) limit most;
      end if;
    else
  end case;
end
$$;

-- Records as far as deletes and restores look at them, deleted ones too.
create or replace function gesta.stored(of_entity text, ids text[]) returns setof jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  case of_entity
    when 'files' then
      return query select jsonb_build_object('id', r.id::text, 'version', r.version, 'deleted_at', r.deleted_at)
        from app.files r where r.id = any (ids::uuid[]);
    when 'documents' then
      return query select jsonb_build_object('id', r.id::text, 'version', r.version, 'deleted_at', r.deleted_at, 'file_ids', r.file_ids)
        from app.documents r where r.id = any (ids::uuid[]);
    else
  end case;
end
$$;

revoke all on function gesta.dependents(text, text[], integer), gesta.stored(text, text[]) from public;
grant execute on function gesta.dependents(text, text[], integer), gesta.stored(text, text[]) to gesta_owner;
set local role gesta_owner;
revoke all on function gesta.delete_rules(), gesta.names_of(text), gesta.readable(text, text, text[]) from public;
grant execute on function gesta.impact(text, text, text) to gesta_app;

-- Purges a record of users whose stream is locked: what is personal goes with its key, the facts stay, and an event says so.
-- `when` is 'due' for what was deleted and has waited, 'deleted' for what was deleted, 'always' for what was purged before
-- the backup that the database comes from was restored. Tells what became of it, and where it looked.
create or replace function app.purge_users(wanted uuid, command jsonb) returns jsonb
language plpgsql as $$
declare
  stream uuid := wanted;
  old app.users;
  stamps gesta.stamps;
  looked jsonb;
begin
  perform gesta.enter('system');
  select * into old from app.users r where r.id = wanted;
  stamps := gesta.next_stamps(stream);
  if stamps.version = 1 then return '{"outcome": "unknown"}'; end if;
  if exists (select from gesta.purges p where p.stream_id = stream) then return '{"outcome": "purged_already"}'; end if;
  if old.id is not null and command->>'when' <> 'always' then
    if old.deleted_at is null then return '{"outcome": "alive"}'; end if;
    if command->>'when' = 'due' and old.deleted_at > gesta.now() - interval '2592000 seconds' then return '{"outcome": "waiting"}'; end if;
  end if;

  update app.users r set name = null, email = null, avatar = null, purged_at = stamps.updated_at, deleted_at = coalesce(r.deleted_at, stamps.updated_at),
      version = stamps.version, updated_at = stamps.updated_at
    where r.id = wanted;
  perform gesta.append('users', array[row(stream, stamps.version, stamps.updated_at,
    '{"name":null,"email":null,"avatar":null}'::jsonb || jsonb_build_object('purged_at', gesta.instant(stamps.updated_at))
      || case when old.id is null or old.deleted_at is null
           then jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)) else '{}' end,
    command || '{"type":"UserPurged","action":"purge"}'::jsonb)::gesta.fact]);
  looked := gesta.purge_traces('users', wanted::text, stream, stamps.updated_at, array['name', 'email', 'avatar'])
    || jsonb_build_object('table', 'app.users', 'columns', array['name', 'email', 'avatar'], 'indexes', array['app.users_email_key'],
         'rows', (old.id is not null)::int, 'left', (select count(*) from app.users r where r.id = wanted and (r.name is not null or r.email is not null or r.avatar is not null)));
  insert into gesta.purges (stream_id, entity, record_id, at, tables)
    select stream, 'users', wanted::text, stamps.updated_at, array_agg(l->>'table')
      from jsonb_array_elements(looked) l where (l->>'rows')::int > 0;
  return jsonb_build_object('outcome', 'purged', 'entity', 'users', 'id', wanted::text, 'stream', stream,
    'at', gesta.instant(stamps.updated_at), 'looked_at', looked,
    'clean', (select bool_and((l->>'left')::int = 0) from jsonb_array_elements(looked) l));
end
$$;

-- Purges a record of orders whose stream is locked: what is personal goes with its key, the facts stay, and an event says so.
-- `when` is 'due' for what was deleted and has waited, 'deleted' for what was deleted, 'always' for what was purged before
-- the backup that the database comes from was restored. Tells what became of it, and where it looked.
create or replace function app.purge_orders(wanted uuid, command jsonb) returns jsonb
language plpgsql as $$
declare
  stream uuid := wanted;
  old app.orders;
  stamps gesta.stamps;
  looked jsonb;
begin
  perform gesta.enter('system');
  select * into old from app.orders r where r.id = wanted;
  stamps := gesta.next_stamps(stream);
  if stamps.version = 1 then return '{"outcome": "unknown"}'; end if;
  if exists (select from gesta.purges p where p.stream_id = stream) then return '{"outcome": "purged_already"}'; end if;
  if old.id is not null and command->>'when' <> 'always' then
    if old.deleted_at is null then return '{"outcome": "alive"}'; end if;
    if command->>'when' = 'due' and old.deleted_at > gesta.now() - interval '2592000 seconds' then return '{"outcome": "waiting"}'; end if;
  end if;

  update app.orders r set purged_at = stamps.updated_at, deleted_at = coalesce(r.deleted_at, stamps.updated_at),
      version = stamps.version, updated_at = stamps.updated_at
    where r.id = wanted;
  perform gesta.append('orders', array[row(stream, stamps.version, stamps.updated_at,
    '{}'::jsonb || jsonb_build_object('purged_at', gesta.instant(stamps.updated_at))
      || case when old.id is null or old.deleted_at is null
           then jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)) else '{}' end,
    command || '{"type":"OrderPurged","action":"purge"}'::jsonb)::gesta.fact]);
  looked := gesta.purge_traces('orders', wanted::text, stream, stamps.updated_at, array[]::text[])
    || jsonb_build_object('table', 'app.orders', 'columns', array[]::text[], 'indexes', array[]::text[],
         'rows', (old.id is not null)::int, 'left', (select count(*) from app.orders r where r.id = wanted and (false)));
  insert into gesta.purges (stream_id, entity, record_id, at, tables)
    select stream, 'orders', wanted::text, stamps.updated_at, array_agg(l->>'table')
      from jsonb_array_elements(looked) l where (l->>'rows')::int > 0;
  return jsonb_build_object('outcome', 'purged', 'entity', 'orders', 'id', wanted::text, 'stream', stream,
    'at', gesta.instant(stamps.updated_at), 'looked_at', looked,
    'clean', (select bool_and((l->>'left')::int = 0) from jsonb_array_elements(looked) l));
end
$$;

-- Purges one record, for operators: see `purge_…`.
create or replace function gesta.purge(entity text, id text, command jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  perform pg_advisory_xact_lock(hashtextextended(id, 0));
  return case entity
    when 'users' then app.purge_users(id::uuid, command)
    when 'orders' then app.purge_orders(id::uuid, command)
    else '{"outcome": "unknown"}' end;
end
$$;

-- Purges records whose time to wait is over, so many at most, and reports each. What another process is at is left to it.
create or replace function gesta.purge_due(most integer) returns setof jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  due record;
  report jsonb;
begin
  perform gesta.enter('system');
  if not pg_try_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0)) then return; end if;
  for due in
    select 'users' as entity, d.id from (
      select r.id::text from app.users r
        where r.deleted_at <= gesta.asked_at() - interval '2592000 seconds' and r.purged_at is null
        order by r.deleted_at limit most) d
    union all
    select 'orders' as entity, d.id from (
      select r.id::text from app.orders r
        where r.deleted_at <= gesta.asked_at() - interval '2592000 seconds' and r.purged_at is null
        order by r.deleted_at limit most) d
    limit most
  loop
    continue when not pg_try_advisory_xact_lock(hashtextextended(due.id, 0));
    report := case due.entity
      when 'users' then app.purge_users(due.id::uuid, '{"when": "due", "author": "system"}')
      when 'orders' then app.purge_orders(due.id::uuid, '{"when": "due", "author": "system"}')
    end;
    if report->>'outcome' = 'purged' then return next report; end if;
  end loop;
end
$$;

-- Announces purges to come, each once, whichever process is first: what is to be told to those who look after it.
create or replace function gesta.notice_purges(most integer) returns setof jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform gesta.enter('system');
  return query
    with coming as materialized (
      select c.* from (
    select 'users' as entity, r.id as stream, r.id::text, r.version, r.deleted_at,
           r.deleted_at + interval '2592000 seconds' as purge_at
      from app.users r
      where r.deleted_at <= gesta.asked_at() - interval '1987200 seconds' and r.purged_at is null
    union all
    select 'orders' as entity, r.id as stream, r.id::text, r.version, r.deleted_at,
           r.deleted_at + interval '2592000 seconds' as purge_at
      from app.orders r
      where r.deleted_at <= gesta.asked_at() - interval '1987200 seconds' and r.purged_at is null
      ) c
        where not exists (select from gesta.purge_notices n where n.stream_id = c.stream and n.version = c.version)
        limit most
    ), told as (
      insert into gesta.purge_notices (stream_id, version, at)
        select c.stream, c.version, gesta.now() from coming c on conflict do nothing returning stream_id
    )
    select jsonb_build_object('entity', c.entity, 'id', c.id, 'deleted_at', gesta.instant(c.deleted_at),
             'purge_at', gesta.instant(c.purge_at))
      from coming c join told t on t.stream_id = c.stream;
end
$$;

revoke all on function gesta.purge(text, text, jsonb), gesta.purge_due(integer), gesta.notice_purges(integer) from public;

grant execute on function gesta.purge_due(integer), gesta.notice_purges(integer) to gesta_app;

select gesta.declare_workflow('users', '{"initial":"active","states":{"active":{"on":{"deactivate":"deactivated"}},"deactivated":{"final":true}}}');
select gesta.declare_workflow('restaurants', '{"initial":"closed","states":{"closed":{"on":{"open":"open"}},"open":{"on":{"close":"closed"}}}}');
select gesta.declare_workflow('orders', '{"initial":"pending_payment","states":{"pending_payment":{"on":{"confirm_payment":["accepted","new"],"cancel":"cancelled"}},"new":{"on":{"status":"accepted","cancel":"cancelled"}},"accepted":{"on":{"status":"cooking","cancel":"cancelled"}},"cooking":{"on":{"status":"on_way","cancel":"cancelled"}},"on_way":{"on":{"status":"delivered"}},"delivered":{"final":true},"cancelled":{"final":true}}}');

revoke all on all functions in schema app from public, gesta_app, gesta_finder;

revoke all on function gesta.apply(text, jsonb[]), gesta.apply_effects(jsonb[], text[]) from public;

grant select on app.drinks to gesta_app;
grant execute on function
  app.shown_drinks(app.drinks),
  app.full_drinks(app.drinks),
  app.read_drinks(text[], bigint[], text[]),
  app.find_drinks(text[], text[], text[], text[]),
  app.count_drinks(text, jsonb, boolean),
  app.load_drinks(text[], bigint[], text[]),
  app.past_drinks(text[], bigint[], timestamp with time zone[], integer[]),
  app.history_drinks(text[], bigint[], boolean[], integer[], integer[], integer[]),
  app.write_drinks(jsonb),
  app.write_all_drinks(jsonb, jsonb)
  to gesta_app;

grant select on app.users to gesta_app;
grant execute on function
  app.shown_users(app.users),
  app.full_users(app.users),
  app.read_users(text[], uuid[], text[]),
  app.find_users(text[], text[], text[], text[]),
  app.count_users(text, jsonb, boolean),
  app.load_users(text[], uuid[], text[]),
  app.past_users(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_users(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.load_users_by_email(text[]),
  app.write_users(jsonb),
  app.secret_users_password(text, uuid)
  to gesta_app;

revoke select on app.restaurants from gesta_app;
grant select (id, status, name, city, version, created_at, updated_at, deleted_at) on app.restaurants to gesta_app;
grant execute on function
  app.shown_restaurants(app.restaurants),
  app.full_restaurants(app.restaurants),
  app.read_restaurants(text[], uuid[], text[]),
  app.find_restaurants(text[], text[], text[], text[]),
  app.count_restaurants(text, jsonb, boolean),
  app.load_restaurants(text[], uuid[], text[]),
  app.past_restaurants(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_restaurants(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.write_restaurants(jsonb)
  to gesta_app;

grant select on app.menu_items to gesta_app;
grant execute on function
  app.shown_menu_items(app.menu_items),
  app.full_menu_items(app.menu_items),
  app.read_menu_items(text[], uuid[], text[]),
  app.find_menu_items(text[], text[], text[], text[]),
  app.count_menu_items(text, jsonb, boolean),
  app.aggregate_menu_items(text, jsonb),
  app.load_menu_items(text[], uuid[], text[]),
  app.past_menu_items(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_menu_items(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.write_menu_items(jsonb),
  app.write_all_menu_items(jsonb, jsonb)
  to gesta_app;

grant select on app.promotions to gesta_app;
grant execute on function
  app.shown_promotions(app.promotions),
  app.full_promotions(app.promotions),
  app.read_promotions(text[], uuid[], text[]),
  app.find_promotions(text[], text[], text[], text[]),
  app.count_promotions(text, jsonb, boolean),
  app.load_promotions(text[], uuid[], text[]),
  app.past_promotions(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_promotions(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.load_promotions_by_code(text[]),
  app.write_promotions(jsonb)
  to gesta_app;

grant select on app.orders to gesta_app;
grant execute on function
  app.shown_orders(app.orders),
  app.full_orders(app.orders),
  app.read_orders(text[], uuid[], text[]),
  app.find_orders(text[], text[], text[], text[]),
  app.count_orders(text, jsonb, boolean),
  app.aggregate_orders(text, jsonb),
  app.load_orders(text[], uuid[], text[]),
  app.past_orders(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_orders(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.write_orders(jsonb),
  app.may_read_orders(uuid)
  to gesta_app;

grant select on app.wallets to gesta_app;
grant execute on function
  app.shown_wallets(app.wallets),
  app.full_wallets(app.wallets),
  app.read_wallets(text[], uuid[], text[]),
  app.find_wallets(text[], text[], text[], text[]),
  app.count_wallets(text, jsonb, boolean),
  app.load_wallets(text[], uuid[], text[]),
  app.past_wallets(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_wallets(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.load_wallets_by_user_id(text[]),
  app.write_wallets(jsonb)
  to gesta_app;

grant select on app.transfers to gesta_app;
grant execute on function
  app.shown_transfers(app.transfers),
  app.full_transfers(app.transfers),
  app.read_transfers(text[], uuid[], text[]),
  app.find_transfers(text[], text[], text[], text[]),
  app.count_transfers(text, jsonb, boolean),
  app.load_transfers(text[], uuid[], text[]),
  app.past_transfers(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_transfers(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.write_transfers(jsonb)
  to gesta_app;

grant select on app.files to gesta_app;
grant execute on function
  app.shown_files(app.files),
  app.full_files(app.files),
  app.read_files(text[], uuid[], text[]),
  app.find_files(text[], text[], text[], text[]),
  app.count_files(text, jsonb, boolean),
  app.load_files(text[], uuid[], text[]),
  app.past_files(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_files(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.write_files(jsonb)
  to gesta_app;

grant select on app.documents to gesta_app;
grant execute on function
  app.shown_documents(app.documents),
  app.full_documents(app.documents),
  app.read_documents(text[], uuid[], text[]),
  app.find_documents(text[], text[], text[], text[]),
  app.count_documents(text, jsonb, boolean),
  app.load_documents(text[], uuid[], text[]),
  app.past_documents(text[], uuid[], timestamp with time zone[], integer[]),
  app.history_documents(text[], uuid[], boolean[], integer[], integer[], integer[]),
  app.write_documents(jsonb)
  to gesta_app;

-- Whether the ids of a list are to be sought first: where a policy holds an index back from a condition, since its operator
-- is not leakproof; and where only the values tell which index serves, that of a filter or that of the order.
create or replace function gesta.is_sought(entity text, asked jsonb, held_back boolean) returns boolean language plpgsql immutable as $$
declare
  filter jsonb;
  op text;
  key jsonb;
begin
  for filter in select jsonb_array_elements(asked->'filters') loop
    op := filter->>1;
    if op in ('gt', 'gte', 'lt', 'lte', 'in') and filter->0 <> asked->'sort'->0->0 or op = 'starts' then return true; end if;
    if held_back and (op = 'has' or op in ('eq', 'gt', 'gte', 'lt', 'lte', 'in')
                                    and (gesta.listed(entity, filter->>0))[3] in ('numeric', 'email')) then
      return true;
    end if;
  end loop;
  if held_back and asked->'sort'->0->>2 <> 'first' then
    for key in select jsonb_array_elements(asked->'sort') loop
      if (gesta.listed(entity, key->>0))[3] = 'numeric' then return true; end if;
    end loop;
  end if;
  return false;
end
$$;
revoke all on function gesta.is_sought(text, jsonb, boolean) from public;

-- The conditions of a list for whoever reads all. Which index serves a range, its own or that of the order, only its
-- values tell, and of numbers behind a policy PostgreSQL knows no values. So what lies in a range is counted, as far as
-- sorting it is less work than to look along the order for a page of it. What is more stands in a form of which a plan
-- thinks that half of all records meet it.
create or replace function gesta.narrowed(entity text, asked jsonb) returns text
language plpgsql stable set enable_sort = off set enable_bitmapscan = off as $$
declare
  most integer := greatest(1000, sqrt((asked->'values'->>2)::float8
    * (select greatest(0, c.reltuples) from pg_class c where c.oid = format('app.%I', entity)::regclass)));
  filter jsonb;
  piece text[];
  op text;
  plain jsonb := '[]';
  ranges jsonb := '{}';
  conditions text;
  col text;
  within text;
  number bigint;
begin
  for filter in select jsonb_array_elements(asked->'filters') loop
    op := filter->>1;
    piece := gesta.listed(entity, filter->>0);
    if piece[4] is null and (op in ('gt', 'gte', 'lt', 'lte') and filter->0 <> asked->'sort'->0->0 or op = 'starts') then
      col := case when op = 'starts' and piece[3] = 'text' then format('(lower(%s collate "und-x-icu") collate "C")', piece[1]) else piece[1] end;
      ranges := ranges || jsonb_build_object(
        col, concat(ranges->>col || ' and ', '(' || gesta.condition(piece, op, (filter->>2)::integer, true) || ')'));
    else
      plain := plain || jsonb_build_array(filter);
    end if;
  end loop;
  conditions := gesta.conditions(entity, asked || jsonb_build_object('filters', plain));
  for col, within in select * from jsonb_each_text(ranges) loop
    within := format('select r.id from app.%I r where r.deleted_at is null and %s order by %s limit %s', entity, within, col, most);
    execute concat('select count(*) from (', within, ') found') into number using asked->'values';
    conditions := concat(conditions, case when number < most then format(' and r.id = any (array(%s))', within)
      else format(' and case when %s then true end', ranges->>col) end);
  end loop;
  return conditions;
end
$$;
revoke all on function gesta.narrowed(text, jsonb) from public;

grant usage on schema gesta, app to gesta_finder;
grant execute on function
  gesta.actor(),
  gesta.roles(),
  gesta.is_system(),
  gesta.listed(text, text),
  gesta.condition(text[], text, integer, boolean),
  gesta.conditions(text, jsonb),
  gesta.narrowed(text, jsonb),
  gesta.sort_key(text[]),
  gesta.beyond(text, jsonb),
  gesta.keys_of(text, jsonb),
  gesta.order_of(text, jsonb),
  gesta.wanted(integer),
  gesta.texts(jsonb),
  gesta.after_start(text),
  gesta.page_of(jsonb),
  gesta.part_of(jsonb),
  app.listed_drinks(text),
  app.listed_past_drinks(text),
  app.listed_walked_drinks(text),
  app.query_drinks(jsonb, boolean),
  app.query_deleted_drinks(jsonb, boolean),
  app.listed_users(text),
  app.listed_past_users(text),
  app.listed_walked_users(text),
  app.query_users(jsonb, boolean),
  app.query_deleted_users(jsonb, boolean),
  app.listed_restaurants(text),
  app.listed_past_restaurants(text),
  app.listed_walked_restaurants(text),
  app.query_restaurants(jsonb, boolean),
  app.query_deleted_restaurants(jsonb, boolean),
  app.listed_menu_items(text),
  app.listed_past_menu_items(text),
  app.listed_walked_menu_items(text),
  app.aggregated_menu_items(text),
  app.query_menu_items(jsonb, boolean),
  app.query_deleted_menu_items(jsonb, boolean),
  app.listed_promotions(text),
  app.listed_past_promotions(text),
  app.listed_walked_promotions(text),
  app.query_promotions(jsonb, boolean),
  app.query_deleted_promotions(jsonb, boolean),
  app.listed_orders(text),
  app.listed_past_orders(text),
  app.listed_walked_orders(text),
  app.aggregated_orders(text),
  app.query_orders(jsonb, boolean),
  app.query_deleted_orders(jsonb, boolean),
  app.listed_wallets(text),
  app.listed_past_wallets(text),
  app.listed_walked_wallets(text),
  app.query_wallets(jsonb, boolean),
  app.listed_transfers(text),
  app.listed_past_transfers(text),
  app.listed_walked_transfers(text),
  app.query_transfers(jsonb, boolean),
  app.listed_files(text),
  app.listed_past_files(text),
  app.listed_walked_files(text),
  app.query_files(jsonb, boolean),
  app.query_deleted_files(jsonb, boolean),
  app.listed_documents(text),
  app.listed_past_documents(text),
  app.listed_walked_documents(text),
  app.query_documents(jsonb, boolean),
  app.query_deleted_documents(jsonb, boolean)
  to gesta_finder;
revoke all on app.drinks from gesta_finder;
grant select (id, deleted_at, name, price) on app.drinks to gesta_finder;
drop policy if exists find on app.drinks;
create policy find on app.drinks for select to gesta_finder using (true);
revoke all on app.users from gesta_finder;
grant select (id, deleted_at, purged_at, status, email, role, created_at) on app.users to gesta_finder;
drop policy if exists find on app.users;
create policy find on app.users for select to gesta_finder using (true);
revoke all on app.restaurants from gesta_finder;
grant select (id, deleted_at, status, name, city, staff_ids) on app.restaurants to gesta_finder;
drop policy if exists find on app.restaurants;
create policy find on app.restaurants for select to gesta_finder using (true);
revoke all on app.menu_items from gesta_finder;
grant select (id, deleted_at, restaurant_id, name, price, available) on app.menu_items to gesta_finder;
drop policy if exists find on app.menu_items;
create policy find on app.menu_items for select to gesta_finder using (true);
revoke all on app.promotions from gesta_finder;
grant select (id, deleted_at, code, ends_at, active) on app.promotions to gesta_finder;
drop policy if exists find on app.promotions;
create policy find on app.promotions for select to gesta_finder using (true);
revoke all on app.orders from gesta_finder;
grant select (id, deleted_at, purged_at, status, restaurant_id, user_id, final_price, created_at) on app.orders to gesta_finder;
drop policy if exists find on app.orders;
create policy find on app.orders for select to gesta_finder using (true);
revoke all on app.wallets from gesta_finder;
grant select (id, deleted_at, user_id) on app.wallets to gesta_finder;
drop policy if exists find on app.wallets;
create policy find on app.wallets for select to gesta_finder using (true);
revoke all on app.transfers from gesta_finder;
grant select (id, deleted_at, from_wallet_id, to_wallet_id, created_at) on app.transfers to gesta_finder;
drop policy if exists find on app.transfers;
create policy find on app.transfers for select to gesta_finder using (true);
revoke all on app.files from gesta_finder;
grant select (id, deleted_at, name, size, owner_id) on app.files to gesta_finder;
drop policy if exists find on app.files;
create policy find on app.files for select to gesta_finder using (true);
revoke all on app.documents from gesta_finder;
grant select (id, deleted_at, title, file_ids, owner_id) on app.documents to gesta_finder;
drop policy if exists find on app.documents;
create policy find on app.documents for select to gesta_finder using (true);

grant create on schema gesta to gesta_finder;
set local role gesta_finder;
-- The ids of a page of a list. It takes what `app.find_<entity>` takes, so nothing else can be run as its owner, and is
-- planned at every call for these very values. Stable, so that its caller reads the records as they are here.
create or replace function gesta.sought(entity text, asked jsonb) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  ids text[];
begin
  asked := asked || '{"sought": true}';
  execute case entity
    when 'drinks' then case when asked ? 'deleted' then app.query_deleted_drinks(asked, false) else app.query_drinks(asked, false) end
    when 'users' then case when asked ? 'deleted' then app.query_deleted_users(asked, false) else app.query_users(asked, false) end
    when 'restaurants' then case when asked ? 'deleted' then app.query_deleted_restaurants(asked, false) else app.query_restaurants(asked, false) end
    when 'menu_items' then case when asked ? 'deleted' then app.query_deleted_menu_items(asked, false) else app.query_menu_items(asked, false) end
    when 'promotions' then case when asked ? 'deleted' then app.query_deleted_promotions(asked, false) else app.query_promotions(asked, false) end
    when 'orders' then case when asked ? 'deleted' then app.query_deleted_orders(asked, false) else app.query_orders(asked, false) end
    when 'wallets' then app.query_wallets(asked, false)
    when 'transfers' then app.query_transfers(asked, false)
    when 'files' then case when asked ? 'deleted' then app.query_deleted_files(asked, false) else app.query_files(asked, false) end
    when 'documents' then case when asked ? 'deleted' then app.query_deleted_documents(asked, false) else app.query_documents(asked, false) end
  end into ids using asked->'values';
  return ids;
end
$$;
revoke all on function gesta.sought(text, jsonb) from public;
grant execute on function gesta.sought(text, jsonb) to gesta_owner;
set local role gesta_owner;
revoke create on schema gesta from gesta_finder;
