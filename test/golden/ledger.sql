create schema gesta;
create schema app;
grant usage on schema gesta, app to gesta_app, gesta_gate;
grant create on schema gesta to gesta_gate;

create table gesta.migrations (
  name text primary key,
  hash text not null,
  applied_at timestamptz not null default now()
);

create table gesta.workflow (
  entity text not null,
  action text not null,
  from_state text not null,
  to_state text not null,
  primary key (entity, action, from_state, to_state)
);

-- Keys of personal data, by person; kept apart, so that a backup can leave them out.
create table gesta.subjects (
  subject_id uuid primary key,
  key bytea,
  created_at timestamptz not null default now(),
  destroyed_at timestamptz,
  check ((key is null) = (destroyed_at is not null))
);

create table gesta.secrets (
  stream_id uuid not null,
  field text not null,
  hash text not null,
  primary key (stream_id, field)
);

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
) partition by hash (stream_id);

create function gesta.refuse_rewriting() returns trigger language plpgsql as $$
begin
  raise exception 'events are only added, never changed or removed' using errcode = 'insufficient_privilege';
end
$$;

do $$
begin
  for part in 0..7 loop
    execute format('create table gesta.events_%s partition of gesta.events for values with (modulus 8, remainder %s)', part, part);
    execute format('create index events_%s_feed on gesta.events_%s (epoch, tx, seq)', part, part);
    execute format('create trigger only_added before update or delete on gesta.events_%s for each row execute function gesta.refuse_rewriting()', part);
    execute format('create trigger never_emptied before truncate on gesta.events_%s execute function gesta.refuse_rewriting()', part);
  end loop;
end
$$;
create trigger never_emptied before truncate on gesta.events execute function gesta.refuse_rewriting();

create function gesta.now() returns timestamptz language sql volatile as $$
  select date_trunc('milliseconds', clock_timestamp())
$$;

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

create function gesta.event_hash(
  previous bytea, stream_id uuid, version integer, id uuid, entity text, type text, type_version smallint, action text,
  data jsonb, actor_type text, actor_id text, reason text, request_id text, correlation_id uuid, causation_id uuid,
  at timestamptz
) returns bytea language sql stable as $$
  select sha256(coalesce(previous, '') || convert_to(jsonb_build_array(
    stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
    correlation_id, causation_id, gesta.instant(at))::text, 'UTF8'))
$$;

-- Streams are locked before the first write of a transaction, in one order for everyone. These locks take no
-- transaction id: one taken before the wait would sort this command's events ahead of those it waited for.
create function gesta.lock_streams(commands jsonb) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(stream, 0))
    from (
      select distinct c->>'id' as stream
        from jsonb_array_elements(commands) c
        where c->>'version' is not null
        order by 1
    ) streams;
end
$$;

create function gesta.append(
  stream uuid, version integer, entity text, data jsonb, command jsonb, at timestamptz
) returns void language plpgsql as $$
declare
  e gesta.events;
  previous bytea;
begin
  if append.version > 1 then
    select p.hash into previous from gesta.events p where p.stream_id = stream and p.version = append.version - 1;
  end if;
  e.id := gen_random_uuid();
  e.actor_id := nullif(nullif(command->>'actor', ''), 'system');
  e.actor_type := case when gesta.is_system() then 'system' when e.actor_id is null then 'visitor' else 'user' end;
  e.reason := data->>'reason';
  e.correlation_id := coalesce((command->>'correlation')::uuid, e.id);
  e.hash := gesta.event_hash(previous, stream, append.version, e.id, append.entity, command->>'type', 1::smallint,
    command->>'action', data, e.actor_type, e.actor_id, e.reason, command->>'request', e.correlation_id,
    (command->>'causation')::uuid, at);
  insert into gesta.events
    (stream_id, version, id, entity, type, action, data, actor_type, actor_id, reason, request_id, correlation_id,
     causation_id, at, hash)
    values
    (stream, append.version, e.id, append.entity, command->>'type', command->>'action', data, e.actor_type, e.actor_id,
     e.reason, command->>'request', e.correlation_id, (command->>'causation')::uuid, at, e.hash);
end
$$;

create function gesta.keep_secrets(stream uuid, secrets jsonb) returns void language sql as $$
  insert into gesta.secrets (stream_id, field, hash)
    select stream, s.key, s.value from jsonb_each_text(coalesce(secrets, '{}')) s
    on conflict (stream_id, field) do update set hash = excluded.hash
$$;

-- What an error means to the caller; 'failed' is one that nobody foresaw.
create function gesta.refusal(state text, broken text, message text) returns text language sql immutable as $$
  select case
    when state = '23505' and broken like 'events_%' then 'conflict'
    when state in ('40001', '40P01', '55P03') then 'conflict'
    when state = '23505' then 'unique ' || broken
    when state = '23503' then 'reference ' || broken
    when state in ('23514', '23502') or state like '22%' then 'invalid ' || coalesce(broken, '')
    when state = '42501' then 'forbidden'
    else 'failed ' || state || ' ' || message
  end
$$;

revoke all on all tables in schema gesta from public;
revoke all on all functions in schema gesta from public;
grant execute on function gesta.actor(), gesta.roles(), gesta.is_system(), gesta.action(), gesta.instant(timestamptz) to gesta_app;
