/**
 * What time it is, a part of the ledger. Production's clock is the server's and costs no look anywhere. Development may
 * move its own forward: then these functions are replaced by others that add so much, and every plan that holds them is
 * made anew, so all processes see it at their next statement.
 */
export const clockLedgerSql = `-- The time of what happens, to the millisecond.
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
`;
