/** An event as a row of JSON: `EventRow` in repositories/stored-event.ts is the same. */
const eventJson = `json_build_array(
          e.version, gesta.upcast(e.entity, e.type, e.type_version, e.data), gesta.instant(e.at), e.id, e.type, e.type_version, e.actor_type, e.actor_id, e.action,
          e.reason, e.request_id, e.correlation_id, e.causation_id)`;

/**
 * Reading the past out of the ledger. What the events of a stream come to is told in one place, `gesta.merged`: history,
 * `as_of` and verification all stand on it. `domain/evolve.ts` is the same in TypeScript, and tests hold one to the other.
 */
export const pastLedgerSql = `-- The values of events one after another: each replaces those before it.
create aggregate gesta.merged(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');

create function gesta.event_json(e gesta.events) returns json language sql stable as $$
  select ${eventJson}
$$;

-- A page of a stream and what was before it: {"before": <values>, "events": [<oldest first>]}. \`beyond\` is the version to
-- go on from.
create function gesta.history(stream uuid, newest_first boolean, beyond integer, skipped integer, taken integer)
returns json language plpgsql stable as $$
declare
  events json;
  first integer;
  before jsonb;
begin
  if newest_first then
    select json_agg(${eventJson} order by e.version), min(e.version) into events, first
      from (
        select * from gesta.events e where e.stream_id = stream and e.version < coalesce(beyond, 2147483647)
          order by e.version desc limit taken offset skipped
      ) e;
  else
    select json_agg(${eventJson} order by e.version), min(e.version) into events, first
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
`;
