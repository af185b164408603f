/** What the application's role may call of it. */
export const accountFunctions = [
  "gesta.count_attempt(uuid, text, text)",
  "gesta.forget_attempt(uuid)",
  "gesta.open_session(uuid, uuid, text, text, text, integer, text, text, uuid)",
  "gesta.list_sessions(text, uuid, integer, integer)",
  "gesta.end_session(text, uuid)",
  "gesta.make_api_key(text, uuid, text, text, text[], uuid)",
  "gesta.list_api_keys(text, uuid, integer, integer)",
  "gesta.revoke_api_key(text, uuid)",
  "gesta.credentials(text[])",
] as const;

const definer = "language plpgsql security definer set search_path = pg_catalog, pg_temp as $$";

/**
 * Sessions, API keys and attempts to sign in, a part of the ledger. The application's role has no right on these tables:
 * it hands in the hash of a token and hears whose it is. Times are the database's, so that all processes agree.
 */
export const accountsLedgerSql = `-- Who has signed in. Of a token its hash is kept alone, and where it came from only as long as the session lives.
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
${definer}
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
${definer}
begin
  delete from gesta.sign_in_attempts a where a.attempt = forgotten;
end
$$;

-- Opens a session for whoever had the password: 'opened <expires_at>' or 'unauthenticated'.
create function gesta.open_session(
  opened uuid, who uuid, password_field text, verified text, token text, seconds integer, address text, user_agent text,
  attempt uuid
) returns text
${definer}
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
${definer}
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
${definer}
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  update gesta.sessions s set ended_at = coalesce(s.ended_at, gesta.now()), address = null, user_agent = null
    where s.id = wanted and s.user_id = who::uuid;
  return case when found then 'ended' else 'not_found' end;
end
$$;

-- Makes an API key for whoever is signed in: 'made <created_at>' or 'unauthenticated'.
create function gesta.make_api_key(who text, made uuid, name text, key text, scopes text[], session uuid) returns text
${definer}
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
${definer}
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
${definer}
begin
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  update gesta.api_keys k set revoked_at = coalesce(k.revoked_at, gesta.now())
    where k.id = wanted and k.user_id = who::uuid;
  return case when found then 'revoked' else 'not_found' end;
end
$$;

-- Whose the tokens with these hashes are: 'session <id> <user>', 'api_key <id> <user> <scopes>' or 'unknown'.
create function gesta.credentials(hashes text[]) returns table (place bigint, answer text)
${definer}
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
$$;`;
