/**
 * What purges leave behind, a part of the ledger: that they were, and that they were announced. Which records are due,
 * and what of them is personal, is the plan's: see emit/deletion/purge-emitter.ts.
 */
export const purgeLedgerSql = `-- Records that are gone for good. Settled is a purge whose key is destroyed wherever it lay, and whose dead rows are swept
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
`;

/** What the application's role may call of it. */
export const purgeFunctions = ["gesta.open_purges(integer)", "gesta.settle_purges(uuid[])"] as const;
