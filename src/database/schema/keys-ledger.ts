/** What the application's role may call of the keys. */
export const keyFunctions = ["gesta_keys.keys_of(uuid[])"] as const;

const definer = "security definer set search_path = pg_catalog, pg_temp as $$";

/**
 * The keys of personal data, in a schema and of a role of their own: a backup leaves them out by the schema's name, and
 * not even the owner of everything else reads the table. A destroyed key is a row without one, so none is made again.
 */
export const keysLedgerSql = `create schema gesta_keys;
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
create function gesta_keys.keep(subjects uuid[], keys text[]) returns void language plpgsql ${definer}
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
language sql stable ${definer}
  select q.place, encode(s.key, 'base64')
    from unnest(wanted) with ordinality q (subject, place)
    left join gesta_keys.subjects s on s.subject_id = q.subject
$$;

create function gesta_keys.destroy(subject uuid, at timestamptz) returns void language plpgsql ${definer}
begin
  insert into gesta_keys.subjects (subject_id, key, destroyed_at) values (subject, null, at)
    on conflict (subject_id) do update set key = null, destroyed_at = coalesce(subjects.destroyed_at, excluded.destroyed_at);
end
$$;

revoke all on function gesta_keys.keep(uuid[], text[]), gesta_keys.keys_of(uuid[]),
  gesta_keys.destroy(uuid, timestamptz) from public;
grant execute on function gesta_keys.keep(uuid[], text[]), gesta_keys.keys_of(uuid[]),
  gesta_keys.destroy(uuid, timestamptz) to gesta_owner;
grant execute on function ${keyFunctions.join(", ")} to gesta_app;
set local role gesta_owner;`;
