/**
 * What is recorded by trigger, a part of the ledger: changes by hand, which become events of their stream, and the audit
 * of entities declared critical, whoever changed them.
 */
export const auditLedgerSql = `-- Row by row what changed in entities declared critical. Values of personal fields are never here: \`personal\` names those
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

-- The members of \`new\` that are not the same in \`old\`.
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

-- A table that somebody emptied at once: its records are in its events, \`gesta rebuild\` brings them back.
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
`;
