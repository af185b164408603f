/**
 * The workflows in force and their history, a part of the ledger. A version is added once and never changed; the rows
 * that the write functions ask follow the newest version of an entity, and nothing else.
 */
export const workflowLedgerSql = `create table gesta.workflow (
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
$$;`;
