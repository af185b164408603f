/**
 * Personal values in events, a part of the ledger. The application seals them before they come here; what somebody
 * changes by hand in SQL cannot be sealed and lies in a table of its own that a purge empties. Events hold markers:
 * {"sealed": <base64>, "version": 3} or {"aside": <digest>, "version": 3}.
 */
export const personalLedgerSql = `-- Personal values that were changed by hand. The event has a digest, so the chain of hashes covers them as long as they are
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
`;
