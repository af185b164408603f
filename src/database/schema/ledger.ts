import { accountFunctions, accountsLedgerSql } from "./accounts-ledger.ts";
import { auditLedgerSql } from "./audit-ledger.ts";
import { clockLedgerSql } from "./clock-ledger.ts";
import { deletionLedgerSql } from "./deletion-ledger.ts";
import { keysLedgerSql } from "./keys-ledger.ts";
import { pastLedgerSql } from "./past-ledger.ts";
import { personalLedgerSql } from "./personal-ledger.ts";
import { purgeFunctions, purgeLedgerSql } from "./purge-ledger.ts";
import { workflowLedgerSql } from "./workflow-ledger.ts";

/** What the application's role may call of it. */
export const ledgerFunctions = [
  "gesta.actor()",
  "gesta.roles()",
  "gesta.is_system()",
  "gesta.action()",
  "gesta.ahead()",
  "gesta.instant(timestamp with time zone)",
  "gesta.replay(uuid, uuid)",
  "gesta.sweep(integer)",
  "gesta.workflow_in_force(text)",
  ...accountFunctions,
  ...purgeFunctions,
] as const;

/**
 * Gesta's own tables and functions: the ledger of events and what guards it. Made once, by gesta_owner.
 * `events` carries what later consumers need: feed order (epoch, tx, seq), a hash chain for each stream, a version of
 * each event type, personal values sealed in `data`.
 */
export const ledgerSql = `create schema gesta;
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

-- What Gesta leaves with a session and takes back from it is signed with this: see \`gesta.signed\`.
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

${clockLedgerSql}
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

${workflowLedgerSql}
${personalLedgerSql}
${pastLedgerSql}
${auditLedgerSql}

${accountsLedgerSql}

${deletionLedgerSql}

${purgeLedgerSql}

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

${keysLedgerSql}

revoke all on all tables in schema gesta from public;
revoke all on all functions in schema gesta from public;
grant execute on function ${ledgerFunctions.join(",\n  ")} to gesta_app;
`;
