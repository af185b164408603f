create schema gesta;
create schema app;
grant usage on schema gesta, app to gesta_app, gesta_gate;
grant create on schema gesta to gesta_gate;

create table gesta.migrations (
  name text primary key,
  hash text not null,
  applied_at timestamptz not null default now()
);

create table gesta.secrets (
  stream_id uuid not null,
  field text not null,
  hash text not null,
  primary key (stream_id, field)
);

-- What Gesta leaves with a session and takes back from it is signed with this: see `gesta.signed`.
create table gesta.signing_key (
  one boolean primary key default true check (one),
  key bytea not null
);
insert into gesta.signing_key (key) values (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- Raised after a restore into a new cluster, whose transaction ids start anew.
create sequence gesta.epoch minvalue 0 start 0;
select setval('gesta.epoch', 0);
create sequence gesta.event_seq;

create table gesta.events (
  stream_id uuid not null,
  version integer not null check (version > 0),
  id uuid not null default gen_random_uuid(),
  entity text not null,
  type text not null,
  type_version smallint not null default 1,
  action text not null,
  data jsonb not null,
  actor_type text not null check (actor_type in ('user', 'visitor', 'system', 'operator')),
  actor_id text,
  reason text,
  request_id text,
  correlation_id uuid,
  causation_id uuid,
  at timestamptz(3) not null,
  epoch integer not null default 0,
  tx xid8 not null default pg_current_xact_id(),
  seq bigint not null default nextval('gesta.event_seq'),
  hash bytea not null,
  primary key (stream_id, version)
);
create index events_feed on gesta.events (epoch, tx, seq);
-- What has changed since a moment; creations are no changes.
create index events_changes on gesta.events (entity, at, stream_id) where version > 1;
create index events_by_hand on gesta.events (entity, at) where actor_type = 'operator';

-- The versions that events of an entity were written in: a start asks whether it can read them all, without a look at events.
create table gesta.event_versions (
  entity text not null,
  type_version smallint not null,
  since timestamptz not null default clock_timestamp(),
  primary key (entity, type_version)
);

-- What the declaration makes of older events: emit/records/upcast-functions.ts. Until then all are of version 1.
create function gesta.upcast(entity text, type text, type_version smallint, data jsonb) returns jsonb
language sql immutable as $$
  select data
$$;
create function gesta.type_version(entity text) returns smallint language sql immutable as $$
  select 1::smallint
$$;

create function gesta.refuse_rewriting() returns trigger language plpgsql as $$
begin
  raise exception 'events are only added, never changed or removed' using errcode = 'insufficient_privilege';
end
$$;

create trigger only_added before update or delete on gesta.events
  for each row execute function gesta.refuse_rewriting();
create trigger never_emptied before truncate on gesta.events execute function gesta.refuse_rewriting();

-- The time of what happens, to the millisecond.
create function gesta.now() returns timestamptz language sql volatile as $$
  select date_trunc('milliseconds', clock_timestamp())
$$;

-- The time at which a statement asks: the same throughout, so an index finds what is older.
create function gesta.asked_at() returns timestamptz language sql stable as $$
  select statement_timestamp()
$$;

-- How far development's clock has been moved forward, in milliseconds.
create function gesta.ahead() returns bigint language sql stable as $$
  select 0::bigint
$$;

-- Moves development's clock to so many milliseconds ahead, for the owner alone. It never goes back: events would stand
-- before those that caused them.
create function gesta.move_clock(milliseconds bigint) returns void language plpgsql as $body$
declare
  far text := format('interval %L', milliseconds || ' milliseconds');
begin
  if milliseconds < gesta.ahead() then raise exception 'the clock only goes forward'; end if;
  execute format('create or replace function gesta.now() returns timestamptz language sql volatile as
    $$ select date_trunc(''milliseconds'', clock_timestamp() + %s) $$', far);
  execute format('create or replace function gesta.asked_at() returns timestamptz language sql stable as
    $$ select statement_timestamp() + %s $$', far);
  execute format('create or replace function gesta.ahead() returns bigint language sql stable as
    $$ select %s::bigint $$', milliseconds);
end
$body$;

-- A moment as the API shows it: UTC, milliseconds, Z.
create function gesta.instant(moment timestamptz) returns text language sql stable as $$
  select to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- Who acts, from settings of the transaction alone; empty or malformed means nobody.
create function gesta.actor() returns uuid language sql stable as $$
  select case when current_setting('gesta.actor', true) like '________-____-____-____-____________'
               and translate(current_setting('gesta.actor', true), '0123456789abcdef', '') = '----'
              then current_setting('gesta.actor', true)::uuid end
$$;
create function gesta.is_system() returns boolean language sql stable as $$
  select coalesce(current_setting('gesta.actor', true) = 'system', false)
$$;
create function gesta.roles() returns text[] language sql stable as $$
  select string_to_array(coalesce(current_setting('gesta.roles', true), ''), ',')
$$;
create function gesta.action() returns text language sql stable as $$
  select coalesce(current_setting('gesta.action', true), '')
$$;

-- The stream of a record with a serial id: a UUIDv8 of the entity's name and the number.
create function gesta.serial_stream(entity text, id bigint) returns uuid language sql immutable as $$
  select (left(md5(entity), 12) || '80008' || lpad(to_hex(id), 15, '0'))::uuid
$$;
create function gesta.serial_id(stream uuid) returns bigint language sql immutable as $$
  select ('x' || right(replace(stream::text, '-', ''), 15))::bit(60)::bigint
$$;

-- Texts are quoted, 'data' ends itself, and nothing else has a space in it: no other event reads the same.
create function gesta.event_hash(
  previous bytea, stream_id uuid, version integer, id uuid, entity text, type text, type_version smallint, action text,
  data jsonb, actor_type text, actor_id text, reason text, request_id text, correlation_id uuid, causation_id uuid,
  at timestamptz
) returns bytea language sql stable as $$
  select sha256(coalesce(previous, '') || convert_to(concat(
    stream_id, ' ', version, ' ', id, ' ', quote_nullable(entity), ' ', quote_nullable(type), ' ', type_version, ' ',
    quote_nullable(action), ' ', actor_type, ' ', correlation_id, ' ', causation_id, ' ',
    encode(timestamptz_send(at), 'hex'), ' ', data, ' ', quote_nullable(actor_id), ' ', quote_nullable(reason), ' ',
    quote_nullable(request_id)), 'UTF8'))
$$;

-- One thing that happened to one record: what the command decided, at its place in the stream.
create type gesta.fact as (stream_id uuid, version integer, at timestamptz, data jsonb, command jsonb);

-- Streams are locked before the first write of a transaction, in one order for everyone. These locks take no
-- transaction id: one taken before the wait would sort this command's events ahead of those it waited for.
create function gesta.lock_streams(commands jsonb[]) returns void language plpgsql as $$
begin
  -- A workflow changes only between transactions. Before all other locks, so that no two wait for each other.
  perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  perform pg_advisory_xact_lock(hashtextextended(stream, 0))
    from (
      select c->>'id' as stream from unnest(commands) c where c->>'version' is not null
      union
      select e->>'id' from unnest(commands) c, jsonb_array_elements(c->'effects') e where e->>'version' is not null
      order by 1
    ) streams;
end
$$;

-- What an event says, and its hash: one row. In SQL and stable, so that it becomes a part of the statement that adds events.
create function gesta.event_of(
  entity text, type_version smallint, event uuid, stream uuid, place integer, moment timestamptz, told jsonb, command jsonb,
  previous bytea
) returns table (
  stream_id uuid, version integer, id uuid, of_entity text, type text, written smallint, action text, data jsonb,
  actor_type text, actor_id text, reason text, request_id text, correlation_id uuid, causation_id uuid, at timestamptz,
  hash bytea
) language sql stable as $$
  select stream, place, event, entity, e.type, type_version, e.action, told, e.actor_type, e.actor_id, e.reason,
         e.request_id, e.correlation_id, e.causation_id, moment,
         gesta.event_hash(previous, stream, place, event, entity, e.type, type_version, e.action, told, e.actor_type,
           e.actor_id, e.reason, e.request_id, e.correlation_id, e.causation_id, moment)
    from (
      select c.type, c.action, c.request_id, c.correlation_id, c.causation_id,
             coalesce(case when jsonb_typeof(told->'reason') <> 'object' then told->>'reason' end, c.reason) as reason,
             case when c.operator is not null then 'operator'
                  when c.author in ('visitor', 'system') then c.author else 'user' end as actor_type,
             case when c.operator is not null then c.operator
                  when c.author not in ('visitor', 'system') then c.author end as actor_id
        from (
          select command->>'type' as type, command->>'action' as action, command->>'request' as request_id,
                 coalesce((command->>'correlation')::uuid, event) as correlation_id,
                 (command->>'causation')::uuid as causation_id, command->>'operator' as operator,
                 command->>'reason' as reason,
                 coalesce(command->>'author', command->>'actor', 'visitor') as author
            offset 0
        ) c
        offset 0
    ) e
$$;

-- A new version of an entity's events is noted once.
create function gesta.note_version(entity text, written smallint) returns void language plpgsql as $$
begin
  insert into gesta.event_versions (entity, type_version) values (entity, written) on conflict do nothing;
end
$$;

-- Adds events to their streams, each chained by its hash to the one before. In PL/pgSQL, like all that writes: it keeps
-- its plans, while a function in SQL is planned at every call.
create function gesta.append(entity text, facts gesta.fact[]) returns void language plpgsql as $$
declare
  written smallint := gesta.type_version(entity);
begin
  if not exists (
    select from gesta.event_versions v where v.entity = append.entity and v.type_version = written
  ) then
    perform gesta.note_version(entity, written);
  end if;
  insert into gesta.events
    (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id, correlation_id,
     causation_id, at, hash)
    select e.*
      from (
        select f.*, coalesce((f.command->>'event')::uuid, gen_random_uuid()) as event,
               case when f.version > 1 then (
                 select p.hash from gesta.events p where p.stream_id = f.stream_id and p.version = f.version - 1
               ) end as previous
          from unnest(facts) f
          offset 0
      ) f
      cross join lateral gesta.event_of(append.entity, written, f.event, f.stream_id, f.version, f.at, f.data, f.command, f.previous) e;
end
$$;

create function gesta.keep_secrets(stream uuid, secrets jsonb) returns void language plpgsql as $$
begin
  insert into gesta.secrets (stream_id, field, hash)
    select stream, s.key, s.value from jsonb_each_text(coalesce(secrets, '{}')) s
    on conflict (stream_id, field) do update set hash = excluded.hash;
end
$$;

-- The first answers to commands that carried a key. The scope is made of caller, method, route and key, the fingerprint of
-- all that was sent. A reply is kept in the transaction that it tells of, and for 72 hours.
create table gesta.idempotency (
  scope uuid primary key,
  fingerprint uuid not null,
  entity text not null,
  record_id text not null,
  reply text not null,
  at timestamptz not null default gesta.now()
);
create index idempotency_at on gesta.idempotency (at);

create function gesta.is_remembered(at timestamptz) returns boolean language sql stable as $$
  select at > gesta.asked_at() - interval '72 hours'
$$;

-- Answers for the commands whose key is known or at work elsewhere; null for those to be done, and instead of all where
-- all are to be done. The lock on a key is held to the end of the transaction, and the second statement sees what the last
-- holder of a lock stored.
create function gesta.recall(commands jsonb[]) returns text[] language plpgsql as $$
declare
  keys uuid[];
  free boolean;
  answers text[];
  outlived boolean;
begin
  select array_agg(k.key), bool_and(pg_try_advisory_xact_lock(uuid_hash_extended(k.key, 1))) and count(distinct k.key) = count(k.key)
    into keys, free
    from (select (c->>'key')::uuid as key from unnest(commands) c where c ? 'key' offset 0) k;
  if keys is null then return null; end if;
  -- Counted, not looked for: a plan that may stop early reads all of the table, if it was made while that was small.
  if free and 0 = (
    select count(i.scope)
      from unnest(keys) k (key)
      cross join lateral (select i.scope from gesta.idempotency i where i.scope = k.key offset 0) i
  ) then return null; end if;
  keys := array(select (c->>'key')::uuid from unnest(commands) c);
  answers := array(
    select case when key is null then null
                when row_number() over (partition by key order by place) > 1 then 'in_flight'
                when not pg_try_advisory_xact_lock(uuid_hash_extended(key, 1)) then 'in_flight' end
      from unnest(keys) with ordinality q (key, place)
      order by place
  );
  select array_agg(case when q.answer is not null or i.scope is null or not i.remembered then q.answer
                        when i.fingerprint = (q.c->>'fingerprint')::uuid then concat('replayed ', i.reply)
                        else 'mismatch' end order by q.place),
         bool_or(not i.remembered)
    into answers, outlived
    from unnest(commands, keys, answers) with ordinality q (c, key, answer, place)
    left join lateral (
      select i.scope, i.fingerprint, i.reply, gesta.is_remembered(i.at) as remembered
        from gesta.idempotency i where i.scope = q.key offset 0
    ) i on true;
  -- A reply that has had its time, and that nobody swept away yet, makes room.
  if outlived then
    delete from gesta.idempotency i where i.scope = any (keys) and not gesta.is_remembered(i.at);
  end if;
  return answers;
end
$$;

-- The stored reply to one key, for a caller who was let in but whose request would now be refused.
create function gesta.replay(wanted uuid, sent uuid) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select case when i.fingerprint = sent then concat('replayed ', i.reply) else 'mismatch' end
    from gesta.idempotency i where i.scope = wanted and gesta.is_remembered(i.at)
$$;

create function gesta.remember(entity text, commands jsonb[], answers text[]) returns void language plpgsql as $$
begin
  insert into gesta.idempotency (scope, fingerprint, entity, record_id, reply, at)
    select (c->>'key')::uuid, (c->>'fingerprint')::uuid, remember.entity,
           coalesce(c->>'id', split_part(split_part(answer, '"id":', 2), ',', 1)), substr(answer, 6),
           case when c ? 'lasting' then 'infinity' else gesta.now() end
      from unnest(commands, answers) q (c, answer)
      where c ? 'key' and answer like 'done %';
end
$$;

-- The reply to a call that did many commands, each answered 'done <version> <id>'. The results of refused items come with
-- the call, null for each that was done; none are sent where all were. A reply of many has no version: 'done 0 <json>'.
create function gesta.reply_to_all(call jsonb, answers text[]) returns text language plpgsql as $$
begin
  return concat('done 0 {"mode":"', call->>'mode', '","results":[', (
    select string_agg(
        case when q.told is not null then q.told
             else concat('{"index":', q.place - 1, ',"status":', call->>'status', ',"id":',
                         split_part(answers[q.nth], ' ', 3), '}') end,
        ',' order by q.place)
      from (
        select null as told, place, place as nth from generate_subscripts(answers, 1) place where not call ? 'results'
        union all
        select told, place, count(*) filter (where told is null) over (order by place)
          from jsonb_array_elements_text(call->'results') with ordinality r (told, place)
      ) q
  ), ']}');
end
$$;

-- Forgets replies that have had their time, so many at once; tells how many.
create function gesta.sweep(most integer) returns integer
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  with gone as (
    delete from gesta.idempotency
      where ctid = any (array(select ctid from gesta.idempotency where not gesta.is_remembered(at) limit most))
      returning 1
  )
  select count(*)::integer from gone
$$;

create table gesta.workflow (
  entity text not null,
  action text not null,
  from_state text not null,
  to_state text not null,
  primary key (entity, action, from_state, to_state)
);

-- Every workflow that is or was in force, in the shape of its file: as declared, or as an operator applied it.
create table gesta.workflow_versions (
  entity text not null,
  version integer not null check (version > 0),
  source json not null,
  declared json not null, -- what the application declared when this version was put in force
  origin text not null check (origin in ('declaration', 'operator')),
  changed_by text not null,
  reason text,
  changed_at timestamptz(3) not null,
  primary key (entity, version)
);

create function gesta.take_into_force() returns trigger language plpgsql as $$
begin
  delete from gesta.workflow w where w.entity = new.entity;
  insert into gesta.workflow (entity, action, from_state, to_state)
    select distinct new.entity, step.key, state.key, target
      from jsonb_each(new.source::jsonb->'states') state,
           jsonb_each(coalesce(state.value->'on', '{}')) step,
           jsonb_array_elements_text(
             case jsonb_typeof(step.value) when 'array' then step.value else jsonb_build_array(step.value) end) target;
  return null;
end
$$;
create trigger in_force after insert on gesta.workflow_versions
  for each row execute function gesta.take_into_force();

create function gesta.refuse_workflow_by_hand() returns trigger language plpgsql as $$
begin
  if tg_table_name = 'workflow' and pg_trigger_depth() > 1 then return null; end if;
  raise exception 'a workflow changes through gesta workflow apply; its history is only added to'
    using errcode = 'insufficient_privilege';
end
$$;
create trigger by_version_alone before insert or update or delete or truncate on gesta.workflow
  for each statement execute function gesta.refuse_workflow_by_hand();
create trigger only_added before update or delete or truncate on gesta.workflow_versions
  for each statement execute function gesta.refuse_workflow_by_hand();

-- Puts a workflow in force: 'put <version>', 'unchanged <version>', 'stranded {"<state>": <live records in it>}', or
-- 'operators <version>' where another declaration than the last one would displace what an operator applied.
create function gesta.put_workflow(entity text, wanted json, declared json, origin text, reason text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  last gesta.workflow_versions;
  removed text[];
  stranded jsonb;
begin
  -- Writers hold this lock shared, from before their first look at a record to their commit (see lock_streams). So no
  -- record is on its way into a state while that state's records are counted.
  perform pg_advisory_xact_lock(hashtextextended('gesta.workflow', 0));
  select * into last from gesta.workflow_versions v
    where v.entity = put_workflow.entity order by v.version desc limit 1;
  if last.declared::jsonb = put_workflow.declared::jsonb
      and (put_workflow.origin = 'declaration' or last.source::jsonb = wanted::jsonb) then
    return concat('unchanged ', last.version);
  end if;
  if put_workflow.origin = 'declaration' and last.origin = 'operator' and last.source::jsonb <> wanted::jsonb then
    return concat('operators ', last.version);
  end if;

  removed := array(select json_object_keys(last.source->'states') except select json_object_keys(wanted->'states'));
  if removed <> '{}' then
    perform set_config('gesta.actor', 'system', true);
    execute format(
      'select jsonb_object_agg(s.status, s.records) from (
         select r.status, count(*) as records from app.%I r
           where r.deleted_at is null and r.status = any ($1) group by 1) s', put_workflow.entity)
      into stranded using removed;
    if stranded is not null then return concat('stranded ', stranded); end if;
  end if;

  insert into gesta.workflow_versions (entity, version, source, declared, origin, changed_by, reason, changed_at)
    values (put_workflow.entity, coalesce(last.version, 0) + 1, wanted, put_workflow.declared, put_workflow.origin,
            session_user, put_workflow.reason, gesta.now());
  return concat('put ', coalesce(last.version, 0) + 1);
end
$$;

-- What a start says. An unchanged declaration leaves in force whatever is.
create function gesta.declare_workflow(entity text, declared json) returns void language plpgsql as $$
declare
  answer text := gesta.put_workflow(entity, declared, declared, 'declaration', null);
begin
  if answer like 'stranded %' then
    raise exception '%: live records are in states that the declared workflow has no longer: %. Move them on first, or keep the states.',
      entity, substr(answer, 10) using errcode = 'GW001';
  elsif answer like 'operators %' then
    raise exception '%: the declared workflow has changed, and version %, which an operator applied, is in force. '
      'Decide what shall hold, and with this declaration: gesta workflow apply FILE --entity %', entity, substr(answer, 11), entity
      using errcode = 'GW001';
  end if;
end
$$;

-- What is in force: '<version> <json>'.
create function gesta.workflow_in_force(wanted text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select concat(v.version, ' ', v.source) from gesta.workflow_versions v
    where v.entity = wanted order by v.version desc limit 1
$$;
grant execute on function gesta.workflow_in_force(text) to gesta_app;

-- Whether a record has reached a state: it is in it or in one that the workflow in force leads to from it, or its
-- events say that it was in it, whatever workflow was in force then.
create function gesta.has_reached(of_entity text, wanted text, status_now text, stream uuid) returns boolean
language sql stable as $$
  with recursive later (state) as (
    select wanted
    union
    select w.to_state from gesta.workflow w join later on w.from_state = later.state where w.entity = of_entity
  )
  select exists (select from later where later.state = status_now)
      or exists (select from gesta.events e where e.stream_id = stream
           and gesta.upcast(e.entity, e.type, e.type_version, e.data)->>'status' = wanted)
$$;
-- Personal values that were changed by hand. The event has a digest, so the chain of hashes covers them as long as they are
-- there; the salt goes with the value, so nobody can try values against the digest after that.
create table gesta.set_aside (
  stream_id uuid not null,
  version integer not null,
  field text not null,
  salt uuid not null default gen_random_uuid(),
  value jsonb not null,
  primary key (stream_id, version, field)
);

create function gesta.digest_of(salt uuid, value jsonb) returns text language sql immutable as $$
  select encode(sha256(convert_to(concat(salt, value), 'UTF8')), 'hex')
$$;

-- The values of an event with personal ones in their sealed form. Raises where one came without it: none is ever plain.
create function gesta.sealed(plain jsonb, sealed jsonb, personal text[]) returns jsonb language plpgsql immutable as $$
declare
  whole jsonb := plain || coalesce((
    select jsonb_object_agg(s.key, s.value) from jsonb_each(sealed) s where plain ? s.key and s.key = any (personal)
  ), '{}');
begin
  if exists (select from unnest(personal) p where whole->p <> 'null' and whole->p->>'sealed' is null) then
    raise exception 'a personal value came unsealed' using errcode = 'insufficient_privilege';
  end if;
  return whole;
end
$$;

-- Keeps the keys that came with commands that were done.
create function gesta.keep_keys(commands jsonb[]) returns void language plpgsql as $$
declare
  subjects uuid[];
  keys text[];
begin
  select array_agg((c->>'id')::uuid), array_agg(c->>'subject_key') into subjects, keys
    from unnest(commands) c where c ? 'subject_key';
  if subjects is not null then perform gesta_keys.keep(subjects, keys); end if;
end
$$;

-- The values of an event by hand with personal ones put aside.
create function gesta.put_aside(stream uuid, version integer, data jsonb, personal text[]) returns jsonb
language plpgsql as $$
declare
  markers jsonb;
begin
  with kept as (
    insert into gesta.set_aside (stream_id, version, field, value)
      select stream, put_aside.version, d.key, d.value from jsonb_each(data) d
        where d.key = any (personal) and d.value <> 'null'
      returning field, gesta.digest_of(salt, value) as digest
  )
  select jsonb_object_agg(k.field, jsonb_build_object('aside', k.digest, 'version', put_aside.version)) into markers
    from kept k;
  return data || coalesce(markers, '{}');
end
$$;

-- What was put aside of a stream: [[<version>, <field>, <value>, <digest>], …]
create function gesta.aside_of(stream uuid) returns json language sql stable as $$
  select json_agg(json_build_array(a.version, a.field, a.value, gesta.digest_of(a.salt, a.value))) from gesta.set_aside a where a.stream_id = stream
$$;

-- A personal value as it was in a version, as JSON: sealed, with its stream beside it, for the application to open.
create function gesta.past_value(stream uuid, version integer, field text) returns text language sql stable as $$
  select coalesce((
    select case when v.value ? 'aside' then (
             select a.value::text from gesta.set_aside a
               where a.stream_id = stream and a.version = (v.value->>'version')::integer and a.field = past_value.field)
           when jsonb_typeof(v.value) = 'object' then (v.value || jsonb_build_object('stream', stream))::text end
      from (
        select e.data->past_value.field as value from gesta.events e
          where e.stream_id = stream and e.version <= past_value.version and e.data ? past_value.field
          order by e.version desc limit 1
      ) v
  ), 'null')
$$;

-- The values of events one after another: each replaces those before it.
create aggregate gesta.merged(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');

create function gesta.event_json(e gesta.events) returns json language sql stable as $$
  select json_build_array(
          e.version, gesta.upcast(e.entity, e.type, e.type_version, e.data), gesta.instant(e.at), e.id, e.type, e.type_version, e.actor_type, e.actor_id, e.action,
          e.reason, e.request_id, e.correlation_id, e.causation_id)
$$;

-- A page of a stream and what was before it: {"before": <values>, "events": [<oldest first>]}. `beyond` is the version to
-- go on from.
create function gesta.history(stream uuid, newest_first boolean, beyond integer, skipped integer, taken integer)
returns json language plpgsql stable as $$
declare
  events json;
  first integer;
  before jsonb;
begin
  if newest_first then
    select json_agg(json_build_array(
          e.version, gesta.upcast(e.entity, e.type, e.type_version, e.data), gesta.instant(e.at), e.id, e.type, e.type_version, e.actor_type, e.actor_id, e.action,
          e.reason, e.request_id, e.correlation_id, e.causation_id) order by e.version), min(e.version) into events, first
      from (
        select * from gesta.events e where e.stream_id = stream and e.version < coalesce(beyond, 2147483647)
          order by e.version desc limit taken offset skipped
      ) e;
  else
    select json_agg(json_build_array(
          e.version, gesta.upcast(e.entity, e.type, e.type_version, e.data), gesta.instant(e.at), e.id, e.type, e.type_version, e.actor_type, e.actor_id, e.action,
          e.reason, e.request_id, e.correlation_id, e.causation_id) order by e.version), min(e.version) into events, first
      from (
        select * from gesta.events e where e.stream_id = stream and e.version > coalesce(beyond, 0)
          order by e.version limit taken offset skipped
      ) e;
  end if;
  if first > 1 then
    select gesta.merged(gesta.upcast(e.entity, e.type, e.type_version, e.data) order by e.version) into before
      from gesta.events e where e.stream_id = stream and e.version < first;
  end if;
  return json_build_object('before', before, 'events', events);
end
$$;

-- Whether records of an entity were changed since a moment more often than so many times; and whether any was by hand, or
-- put right afterwards.
create function gesta.changed_often(entity text, since timestamptz, few integer) returns boolean language plpgsql stable as $$
begin
  return (
    select count(*) > few from (
      select from gesta.events e
        where e.entity = changed_often.entity and e.version > 1 and e.at > since
        limit few + 1
    ) changes
  );
end
$$;
create function gesta.changed_by_hand(entity text, since timestamptz) returns boolean language plpgsql stable as $$
begin
  return exists (
    select from gesta.events e where e.entity = changed_by_hand.entity and e.actor_type = 'operator' and e.at > since
  );
end
$$;

-- Row by row what changed in entities declared critical. Values of personal fields are never here: `personal` names those
-- that changed, their values are in the event (stream_id, version) alone, where a subject's key can be destroyed.
create table gesta.audit (
  id bigint generated always as identity primary key,
  at timestamptz(3) not null,
  tx xid8 not null default pg_current_xact_id(),
  actor_type text not null,
  actor_id text,
  relation text not null,
  operation text not null check (operation in ('insert', 'update', 'delete', 'truncate', 'rebuild')),
  stream_id uuid,
  version integer,
  old jsonb,
  new jsonb,
  personal text[] not null default '{}'
);
create index audit_stream on gesta.audit (stream_id);
create trigger only_added before update or delete on gesta.audit
  for each row execute function gesta.refuse_rewriting();
create trigger never_emptied before truncate on gesta.audit execute function gesta.refuse_rewriting();

-- The members of `new` that are not the same in `old`.
create function gesta.differences(old jsonb, new jsonb) returns jsonb language sql immutable as $$
  select coalesce(jsonb_object_agg(n.key, n.value), '{}') from jsonb_each(new) n where n.value is distinct from old->n.key
$$;

-- The stamps of the next event of a stream, and of a record that it changes.
create type gesta.stamps as (version integer, created_at timestamptz, updated_at timestamptz);
create function gesta.next_stamps(stream uuid) returns gesta.stamps language plpgsql volatile as $$
declare
  moment timestamptz := gesta.now();
begin
  return (
    select row(coalesce(max(e.version), 0) + 1, coalesce(min(e.at), moment), greatest(moment, max(e.at)))::gesta.stamps
      from gesta.events e where e.stream_id = stream
  );
end
$$;

-- An event of whoever is logged in to the database, past all actions.
create function gesta.append_by_hand(
  entity text, type text, action text, stream uuid, version integer, at timestamptz, data jsonb
) returns void language plpgsql as $$
begin
  perform gesta.append(entity, array[row(stream, version, at, data, jsonb_build_object(
    'type', type, 'action', action, 'operator', session_user))::gesta.fact]);
end
$$;

-- A table that somebody emptied at once: its records are in its events, `gesta rebuild` brings them back.
create function gesta.note_truncation() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into gesta.audit (at, actor_type, actor_id, relation, operation)
    values (gesta.now(), 'operator', session_user, tg_table_schema || '.' || tg_table_name, 'truncate');
  return null;
end
$$;

-- A password that was set or changed, without its hash.
create function gesta.audit_secret() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  secret gesta.secrets := case tg_op when 'DELETE' then old else new end;
  event gesta.events;
begin
  -- At the end of the transaction, when the event that tells who did it is there. By hand there is none.
  select * into event from gesta.events e
    where e.stream_id = secret.stream_id and e.tx = pg_current_xact_id() order by e.version desc limit 1;
  insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version, new)
    values (gesta.now(), coalesce(event.actor_type, 'operator'),
            case when event.id is null then session_user else event.actor_id end, 'gesta.secrets', lower(tg_op),
            secret.stream_id, event.version, jsonb_build_object('field', secret.field));
  return null;
end
$$;
create constraint trigger audited after insert or update or delete on gesta.secrets
  deferrable initially deferred for each row execute function gesta.audit_secret();
create trigger truncated after truncate on gesta.secrets execute function gesta.note_truncation();

-- Adds a row of the audit at the end of the transaction. Who it was is told by the record's event of that version.
create function gesta.audit_change(
  relation text, operation text, stream uuid, version integer, old jsonb, new jsonb, personal text[]
) returns void language plpgsql as $$
declare
  event gesta.events;
begin
  select * into event from gesta.events e where e.stream_id = stream and e.version = audit_change.version;
  insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version, old, new, personal)
    values (coalesce(event.at, gesta.now()), coalesce(event.actor_type, 'operator'),
            case when event.id is null then session_user else event.actor_id end, relation, operation, stream,
            version, gesta.differences(new, old) - personal, gesta.differences(old, new) - personal,
            array(select p from unnest(personal) p where coalesce(old->p, 'null') <> coalesce(new->p, 'null')));
end
$$;


-- Who has signed in. Of a token its hash is kept alone, and where it came from only as long as the session lives.
create table gesta.sessions (
  id uuid primary key,
  user_id uuid not null,
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  created_at timestamptz(3) not null default gesta.now(),
  expires_at timestamptz(3) not null,
  ended_at timestamptz(3),
  address text check (length(address) <= 64),
  user_agent text check (length(user_agent) <= 200)
);
create index sessions_user on gesta.sessions (user_id, id);
create index sessions_expiry on gesta.sessions (expires_at);

create table gesta.api_keys (
  id uuid primary key,
  user_id uuid not null,
  name text not null,
  key_hash bytea not null unique check (octet_length(key_hash) = 32),
  scopes text[], -- null: whatever its user may do
  created_at timestamptz(3) not null default gesta.now(),
  revoked_at timestamptz(3)
);
create index api_keys_user on gesta.api_keys (user_id, id);

-- Attempts to sign in of the last minute that did not succeed, or not yet, by account and by address.
create table gesta.sign_in_attempts (
  attempt uuid not null,
  bucket bytea not null,
  at timestamptz not null,
  primary key (attempt, bucket)
);
create index sign_in_attempts_bucket on gesta.sign_in_attempts (bucket, at);
create index sign_in_attempts_at on gesta.sign_in_attempts (at);

-- Counts an attempt before its password is looked at, so that none slips through while others are: 'counted', or
-- 'limited <seconds>' until there is room. The account is the address that was typed, whether anybody has it or not.
create function gesta.count_attempt(attempt uuid, account text, network text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  buckets bytea[] := array[
    sha256(convert_to('account ' || lower(account), 'UTF8')), sha256(convert_to('network ' || network, 'UTF8'))];
  most integer[] := array[10, 60];
  moment timestamptz;
  wait double precision;
begin
  -- In one order for everyone; whoever waited here counts what the one before has stored.
  perform pg_advisory_xact_lock(hashtextextended(encode(b.bucket, 'hex'), 2))
    from (select bucket from unnest(buckets) bucket order by 1) b;
  moment := clock_timestamp();
  select max(60 - extract(epoch from moment - a.at)) into wait
    from unnest(buckets, most) q (bucket, most)
    cross join lateral (
      select a.at from gesta.sign_in_attempts a
        where a.bucket = q.bucket and a.at > moment - interval '1 minute'
        order by a.at desc limit 1 offset q.most - 1
    ) a;
  if wait is not null then return concat('limited ', greatest(1, ceil(wait))); end if;

  insert into gesta.sign_in_attempts (attempt, bucket, at)
    select count_attempt.attempt, b.bucket, moment from unnest(buckets) b (bucket);
  delete from gesta.sign_in_attempts a where a.ctid = any (array(
    select old.ctid from gesta.sign_in_attempts old where old.at < moment - interval '1 minute'
      order by old.at limit 100 for update skip locked
  ));
  return 'counted';
end
$$;

-- Gives an attempt back: it succeeded, or nobody looked at its password.
create function gesta.forget_attempt(forgotten uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from gesta.sign_in_attempts a where a.attempt = forgotten;
end
$$;

-- Opens a session for whoever had the password: 'opened <expires_at>' or 'unauthenticated'.
create function gesta.open_session(
  opened uuid, who uuid, password_field text, verified text, token text, seconds integer, address text, user_agent text,
  attempt uuid
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  opening timestamptz(3) := gesta.now();
  expires timestamptz(3) := opening + make_interval(secs => seconds);
begin
  -- A change of the password under way is waited for; after it, what was verified is worth nothing.
  perform from gesta.secrets s
    where s.stream_id = who and s.field = password_field and s.hash = verified for share;
  if not found or not gesta.enter(who::text) then return 'unauthenticated'; end if;
  insert into gesta.sessions (id, user_id, token_hash, created_at, expires_at, address, user_agent)
    values (opened, who, decode(token, 'hex'), opening, expires, open_session.address, open_session.user_agent);
  perform gesta.forget_attempt(attempt);
  delete from gesta.sessions s where s.ctid = any (array(
    select old.ctid from gesta.sessions old where old.expires_at < opening
      order by old.expires_at limit 100 for update skip locked
  ));
  return concat('opened ', gesta.instant(expires));
end
$$;

-- The living sessions of a user in the order of their ids: 'listed <json array>' or 'unauthenticated'.
create function gesta.list_sessions(who text, after uuid, skipped integer, taken integer) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  return concat('listed ', coalesce((
    select json_agg(json_build_object(
             'id', page.id, 'created_at', gesta.instant(page.created_at), 'expires_at', gesta.instant(page.expires_at),
             'address', page.address, 'user_agent', page.user_agent) order by page.id)
      from (
        select s.* from gesta.sessions s
          where s.user_id = who::uuid and s.ended_at is null and s.expires_at > gesta.asked_at()
            and s.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
          order by s.id limit taken offset skipped
      ) page), '[]'));
end
$$;

-- Ends a session of this user, now or before: 'ended', 'not_found' or 'unauthenticated'.
create function gesta.end_session(who text, wanted uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  update gesta.sessions s set ended_at = coalesce(s.ended_at, gesta.now()), address = null, user_agent = null
    where s.id = wanted and s.user_id = who::uuid;
  return case when found then 'ended' else 'not_found' end;
end
$$;

-- Makes an API key for whoever is signed in: 'made <created_at>' or 'unauthenticated'.
create function gesta.make_api_key(who text, made uuid, name text, key text, scopes text[], session uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  created timestamptz(3);
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  -- A change of the password ends sessions before keys: a session that it ends leaves no key behind.
  if session is not null then
    perform from gesta.sessions s where s.id = session and s.ended_at is null for share;
    if not found then return 'unauthenticated'; end if;
  end if;
  insert into gesta.api_keys (id, user_id, name, key_hash, scopes)
    values (made, who::uuid, make_api_key.name, decode(key, 'hex'), make_api_key.scopes)
    returning created_at into created;
  return concat('made ', gesta.instant(created));
end
$$;

-- The living keys of a user in the order of their ids: 'listed <json array>' or 'unauthenticated'.
create function gesta.list_api_keys(who text, after uuid, skipped integer, taken integer) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  return concat('listed ', coalesce((
    select json_agg(json_build_object(
             'id', page.id, 'name', page.name, 'scopes', page.scopes,
             'created_at', gesta.instant(page.created_at)) order by page.id)
      from (
        select k.* from gesta.api_keys k
          where k.user_id = who::uuid and k.revoked_at is null
            and k.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
          order by k.id limit taken offset skipped
      ) page), '[]'));
end
$$;

-- Revokes a key of this user, now or before: 'revoked', 'not_found' or 'unauthenticated'.
create function gesta.revoke_api_key(who text, wanted uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  update gesta.api_keys k set revoked_at = coalesce(k.revoked_at, gesta.now())
    where k.id = wanted and k.user_id = who::uuid;
  return case when found then 'revoked' else 'not_found' end;
end
$$;

-- Whose the tokens with these hashes are: 'session <id> <user>', 'api_key <id> <user> <scopes>' or 'unknown'.
create function gesta.credentials(hashes text[]) returns table (place bigint, answer text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query
    select q.place, coalesce(s.answer, k.answer, 'unknown')
      from unnest(hashes) with ordinality q (hash, place)
      left join lateral (
        select concat('session ', s.id, ' ', s.user_id) as answer from gesta.sessions s
          where s.token_hash = decode(q.hash, 'hex') and s.ended_at is null and s.expires_at > gesta.asked_at()
          offset 0
      ) s on true
      left join lateral (
        select concat('api_key ', k.id, ' ', k.user_id, ' ', coalesce(to_jsonb(k.scopes), 'null')) as answer
          from gesta.api_keys k
          where k.key_hash = decode(q.hash, 'hex') and k.revoked_at is null
          offset 0
      ) k on true;
end
$$;

-- After a change of the password: whoever came in by the old one is out, but for the session that changed it.
create function gesta.end_access(of_user uuid, kept uuid) returns void language plpgsql as $$
begin
  update gesta.sessions s set ended_at = gesta.now(), address = null, user_agent = null
    where s.user_id = of_user and s.ended_at is null and s.id is distinct from kept;
  update gesta.api_keys k set revoked_at = gesta.now() where k.user_id = of_user and k.revoked_at is null;
end
$$;

-- A living record that refers to one that is deleted, or to one that goes with it.
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
  select encode(sha256(convert_to(coalesce(string_agg(line, E'\n' order by line collate "C"), ''), 'UTF8')), 'hex')
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
$$;

-- Records that are gone for good. Settled is a purge whose key is destroyed wherever it lay, and whose dead rows are swept
-- out of the tables.
create table gesta.purges (
  stream_id uuid primary key,
  entity text not null,
  record_id text not null,
  at timestamptz(3) not null,
  tables text[] not null,
  settled boolean not null default false
);
create index purges_open on gesta.purges (at) where not settled;

-- Announcements of purges to come: one for each delete.
create table gesta.purge_notices (
  stream_id uuid not null,
  version integer not null,
  at timestamptz(3) not null,
  primary key (stream_id, version)
);

-- Destroys the key of a purged record and removes what is kept of it outside of its own table: values put aside, hashes
-- of passwords, sessions, API keys, replies to repeat. Tells of each place how many rows went and how many are left.
create function gesta.purge_traces(entity text, record_id text, stream uuid, at timestamptz, fields text[]) returns jsonb
language plpgsql as $$
declare
  looked jsonb := '[]';
  gone bigint;
begin
  perform gesta_keys.destroy(stream, at);
  looked := looked || jsonb_build_object('table', 'gesta_keys.subjects', 'columns', array['key'], 'rows', 1, 'left', (
    select count(*) from gesta_keys.keys_of(array[stream]) k where k.key is not null));
  delete from gesta.set_aside a where a.stream_id = stream;
  get diagnostics gone = row_count;
  looked := looked || jsonb_build_object('table', 'gesta.set_aside', 'columns', array['value'], 'rows', gone, 'left', (
    select count(*) from gesta.set_aside a where a.stream_id = stream));
  delete from gesta.secrets s where s.stream_id = stream;
  get diagnostics gone = row_count;
  looked := looked || jsonb_build_object('table', 'gesta.secrets', 'columns', array['hash'], 'rows', gone, 'left', (
    select count(*) from gesta.secrets s where s.stream_id = stream));
  delete from gesta.sessions s where s.user_id = stream;
  get diagnostics gone = row_count;
  looked := looked || jsonb_build_object('table', 'gesta.sessions', 'columns', array['address', 'user_agent'],
    'rows', gone, 'left', (select count(*) from gesta.sessions s where s.user_id = stream));
  delete from gesta.api_keys k where k.user_id = stream;
  get diagnostics gone = row_count;
  looked := looked || jsonb_build_object('table', 'gesta.api_keys', 'columns', array['name'], 'rows', gone, 'left', (
    select count(*) from gesta.api_keys k where k.user_id = stream));
  if fields <> '{}' then
    delete from gesta.idempotency i where i.entity = purge_traces.entity and i.record_id = purge_traces.record_id;
    get diagnostics gone = row_count;
    looked := looked || jsonb_build_object('table', 'gesta.idempotency', 'columns', array['reply'], 'rows', gone, 'left', (
      select count(*) from gesta.idempotency i
        where i.entity = purge_traces.entity and i.record_id = purge_traces.record_id));
  end if;
  return looked || jsonb_build_array(
    jsonb_build_object('table', 'gesta.events', 'columns', array['data'], 'rows', 0, 'left', (
      select count(*) from gesta.events e, unnest(fields) f
        where e.stream_id = stream and jsonb_typeof(e.data->f) <> 'null' and not e.data->f ?| array['sealed', 'aside'])),
    jsonb_build_object('table', 'gesta.audit', 'columns', array['old', 'new'], 'rows', 0, 'left', (
      select count(*) from gesta.audit a where a.stream_id = stream and (a.old ?| fields or a.new ?| fields))));
end
$$;

-- Purges that are to be settled yet: [{"stream", "entity", "id", "at", "tables"}]
create function gesta.open_purges(most integer) returns json
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(json_agg(json_build_object('stream', p.stream_id, 'entity', p.entity, 'id', p.record_id,
           'at', gesta.instant(p.at), 'tables', p.tables)), '[]')
    from (select * from gesta.purges where not settled order by at limit most) p
$$;

create function gesta.settle_purges(streams uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update gesta.purges p set settled = true where p.stream_id = any (streams);
end
$$;


-- What an error means to the caller; 'failed' is one that nobody foresaw.
create function gesta.refusal(state text, broken text, message text) returns text language sql immutable as $$
  select case
    when state = '23505' and broken = 'events_pkey' then 'conflict'
    when state in ('40001', '40P01') then 'conflict'
    when state = '55P03' then 'locked'
    when state = '23505' then 'unique ' || broken
    when state = '23503' then 'reference ' || broken
    when state in ('23514', '23502') or state like '22%' then 'invalid ' || coalesce(broken, '')
    when state = '42501' then 'forbidden'
    when state = 'GE002' then message
    else 'failed ' || state || ' ' || message
  end
$$;

create schema gesta_keys;
grant usage, create on schema gesta_keys to gesta_keeper;
grant usage on schema gesta_keys to gesta_app;
set local role gesta_keeper;

create table gesta_keys.subjects (
  subject_id uuid primary key,
  key bytea check (octet_length(key) = 32),
  created_at timestamptz not null default clock_timestamp(),
  destroyed_at timestamptz,
  check ((key is null) = (destroyed_at is not null))
);

-- Keeps new keys, in the transaction of the first values that they seal. Where another was faster, or the subject is
-- purged, nothing may be sealed with this one: the command is decided anew.
create function gesta_keys.keep(subjects uuid[], keys text[]) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into gesta_keys.subjects (subject_id, key)
    select q.subject, decode(q.key, 'base64') from unnest(subjects, keys) q (subject, key)
    on conflict do nothing;
  if exists (
    select from unnest(subjects, keys) q (subject, key)
      join gesta_keys.subjects s on s.subject_id = q.subject
      where s.key is distinct from decode(q.key, 'base64')
  ) then raise serialization_failure; end if;
end
$$;

-- The keys of subjects, each in its place; null for those that have none, or none any more.
create function gesta_keys.keys_of(wanted uuid[]) returns table (place bigint, key text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select q.place, encode(s.key, 'base64')
    from unnest(wanted) with ordinality q (subject, place)
    left join gesta_keys.subjects s on s.subject_id = q.subject
$$;

create function gesta_keys.destroy(subject uuid, at timestamptz) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into gesta_keys.subjects (subject_id, key, destroyed_at) values (subject, null, at)
    on conflict (subject_id) do update set key = null, destroyed_at = coalesce(subjects.destroyed_at, excluded.destroyed_at);
end
$$;

revoke all on function gesta_keys.keep(uuid[], text[]), gesta_keys.keys_of(uuid[]),
  gesta_keys.destroy(uuid, timestamptz) from public;
grant execute on function gesta_keys.keep(uuid[], text[]), gesta_keys.keys_of(uuid[]),
  gesta_keys.destroy(uuid, timestamptz) to gesta_owner;
grant execute on function gesta_keys.keys_of(uuid[]) to gesta_app;
set local role gesta_owner;

revoke all on all tables in schema gesta from public;
revoke all on all functions in schema gesta from public;
grant execute on function gesta.actor(),
  gesta.roles(),
  gesta.is_system(),
  gesta.action(),
  gesta.ahead(),
  gesta.instant(timestamp with time zone),
  gesta.replay(uuid, uuid),
  gesta.sweep(integer),
  gesta.workflow_in_force(text),
  gesta.count_attempt(uuid, text, text),
  gesta.forget_attempt(uuid),
  gesta.open_session(uuid, uuid, text, text, text, integer, text, text, uuid),
  gesta.list_sessions(text, uuid, integer, integer),
  gesta.end_session(text, uuid),
  gesta.make_api_key(text, uuid, text, text, text[], uuid),
  gesta.list_api_keys(text, uuid, integer, integer),
  gesta.revoke_api_key(text, uuid),
  gesta.credentials(text[]),
  gesta.open_purges(integer),
  gesta.settle_purges(uuid[]) to gesta_app;
