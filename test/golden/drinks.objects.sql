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
  if batch @? '$[*].version' or batch @? '$[*].effects' then perform gesta.lock_streams(fresh);
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
  if batch @? '$[*].version' or batch @? '$[*].effects' then perform gesta.lock_streams(fresh);
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

-- Does commands on an entity.
create or replace function gesta.apply(entity text, commands jsonb[]) returns text[]
language plpgsql as $$
begin
  return case entity
    when 'drinks' then app.apply_drinks(commands)
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
  app.query_deleted_drinks(jsonb, boolean)
  to gesta_finder;
revoke all on app.drinks from gesta_finder;
grant select (id, deleted_at, name, price) on app.drinks to gesta_finder;
drop policy if exists find on app.drinks;
create policy find on app.drinks for select to gesta_finder using (true);

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
  end into ids using asked->'values';
  return ids;
end
$$;
revoke all on function gesta.sought(text, jsonb) from public;
grant execute on function gesta.sought(text, jsonb) to gesta_owner;
set local role gesta_owner;
revoke create on schema gesta from gesta_finder;
