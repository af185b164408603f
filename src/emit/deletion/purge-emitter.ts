import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { isPurgeable, noticeOf, personalFields, waitOf } from "../../plan/purging.ts";
import { personalNames, streamOf } from "../records/write-parts.ts";
import { ident, literal, literals } from "../sql-text.ts";

const purgeable = (plan: Plan): readonly EntityPlan[] => plan.entities.filter(isPurgeable);
const waiting = (plan: Plan): readonly EntityPlan[] => plan.entities.filter((entity) => waitOf(entity) !== null);

/** What the application's role may call of it: to purge what is due, never anything else. */
export const purgeFunctionsOf = (plan: Plan): readonly string[] =>
  waiting(plan).length === 0 ? [] : ["gesta.purge_due(integer)", "gesta.notice_purges(integer)"];

/** The end of deleted records: announced, and then done once their time to wait is over. */
export function emitPurge(plan: Plan): string {
  if (purgeable(plan).length === 0) return "";
  const due = waiting(plan).length === 0 ? [] : [emitDue(plan), emitNotices(plan)];
  const granted = purgeFunctionsOf(plan);
  return [
    ...purgeable(plan).map(emitPurgeOf),
    emitOrdered(plan),
    ...due,
    `revoke all on function ${["gesta.purge(text, text, jsonb)", ...granted].join(", ")} from public;`,
    ...(granted.length === 0 ? [] : [`grant execute on function ${granted.join(", ")} to gesta_app;`]),
  ].join("\n\n");
}

function emitPurgeOf(entity: EntityPlan): string {
  const { name, title } = entity;
  const table = `app.${ident(name)}`;
  const fields = personalFields(entity).map((field) => field.name);
  const names = personalNames(entity);
  const nulls = fields.map((field) => `${ident(field)} = null, `).join("");
  const indexes = entity.indexes.filter(({ columns }) => columns.some((column) => fields.includes(column)));
  const left = fields.length === 0 ? "false" : fields.map((field) => `r.${ident(field)} is not null`).join(" or ");
  const emptied = Object.fromEntries(fields.map((field) => [field, null]));
  const wait = waitOf(entity);
  const early =
    wait === null
      ? "command->>'when' = 'due'"
      : `command->>'when' = 'due' and old.deleted_at > gesta.now() - ${interval(wait)}`;
  return `-- Purges a record of ${name} whose stream is locked: what is personal goes with its key, the facts stay, and an event says so.
-- \`when\` is 'due' for what was deleted and has waited, 'deleted' for what was deleted, 'always' for what was purged before
-- the backup that the database comes from was restored. Tells what became of it, and where it looked.
create or replace function app.purge_${name}(wanted ${entity.id === "serial" ? "bigint" : "uuid"}, command jsonb) returns jsonb
language plpgsql as $$
declare
  stream uuid := ${streamOf(entity, "wanted")};
  old ${table};
  stamps gesta.stamps;
  looked jsonb;
begin
  perform gesta.enter('system');
  select * into old from ${table} r where r.id = wanted;
  stamps := gesta.next_stamps(stream);
  if stamps.version = 1 then return '{"outcome": "unknown"}'; end if;
  if exists (select from gesta.purges p where p.stream_id = stream) then return '{"outcome": "purged_already"}'; end if;
  if old.id is not null and command->>'when' <> 'always' then
    if old.deleted_at is null then return '{"outcome": "alive"}'; end if;
    if ${early} then return '{"outcome": "waiting"}'; end if;
  end if;

  update ${table} r set ${nulls}purged_at = stamps.updated_at, deleted_at = coalesce(r.deleted_at, stamps.updated_at),
      version = stamps.version, updated_at = stamps.updated_at
    where r.id = wanted;
  perform gesta.append(${literal(name)}, array[row(stream, stamps.version, stamps.updated_at,
    ${literal(JSON.stringify(emptied))}::jsonb || jsonb_build_object('purged_at', gesta.instant(stamps.updated_at))
      || case when old.id is null or old.deleted_at is null
           then jsonb_build_object('deleted_at', gesta.instant(stamps.updated_at)) else '{}' end,
    command || ${literal(JSON.stringify({ type: `${title}Purged`, action: "purge" }))}::jsonb)::gesta.fact]);
  looked := gesta.purge_traces(${literal(name)}, wanted::text, stream, stamps.updated_at, ${names})
    || jsonb_build_object('table', ${literal(table)}, 'columns', ${names}, 'indexes', ${literals(indexes.map((index) => `app.${index.name}`))},
         'rows', (old.id is not null)::int, 'left', (select count(*) from ${table} r where r.id = wanted and (${left})));
  insert into gesta.purges (stream_id, entity, record_id, at, tables)
    select stream, ${literal(name)}, wanted::text, stamps.updated_at, array_agg(l->>'table')
      from jsonb_array_elements(looked) l where (l->>'rows')::int > 0;
  return jsonb_build_object('outcome', 'purged', 'entity', ${literal(name)}, 'id', wanted::text, 'stream', stream,
    'at', gesta.instant(stamps.updated_at), 'looked_at', looked,
    'clean', (select bool_and((l->>'left')::int = 0) from jsonb_array_elements(looked) l));
end
$$;`;
}

const interval = (milliseconds: number): string => `interval '${milliseconds / 1000} seconds'`;

const idType = (entity: EntityPlan) => (entity.id === "serial" ? "bigint" : "uuid");

const emitOrdered = (plan: Plan): string => `-- Purges one record, for operators: see \`purge_…\`.
create or replace function gesta.purge(entity text, id text, command jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0));
  perform pg_advisory_xact_lock(hashtextextended(id, 0));
  return case entity
${purgeable(plan)
  .map(
    ({ name, ...entity }) =>
      `    when ${literal(name)} then app.purge_${name}(id::${idType({ name, ...entity })}, command)`,
  )
  .join("\n")}
    else '{"outcome": "unknown"}' end;
end
$$;`;

function emitDue(plan: Plan): string {
  const parts = waiting(plan).map((entity) => {
    const { name } = entity;
    return `    select ${literal(name)} as entity, d.id from (
      select r.id::text from app.${ident(name)} r
        where r.deleted_at <= gesta.asked_at() - ${interval(waitOf(entity) ?? 0)} and r.purged_at is null
        order by r.deleted_at limit most) d`;
  });
  return `-- Purges records whose time to wait is over, so many at most, and reports each. What another process is at is left to it.
create or replace function gesta.purge_due(most integer) returns setof jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  due record;
  report jsonb;
begin
  perform gesta.enter('system');
  if not pg_try_advisory_xact_lock_shared(hashtextextended('gesta.workflow', 0)) then return; end if;
  for due in
${parts.join("\n    union all\n")}
    limit most
  loop
    continue when not pg_try_advisory_xact_lock(hashtextextended(due.id, 0));
    report := case due.entity
${waiting(plan)
  .map(
    (entity) =>
      `      when ${literal(entity.name)} then app.purge_${entity.name}(due.id::${idType(entity)}, '{"when": "due", "author": "system"}')`,
  )
  .join("\n")}
    end;
    if report->>'outcome' = 'purged' then return next report; end if;
  end loop;
end
$$;`;
}

function emitNotices(plan: Plan): string {
  const parts = waiting(plan).map((entity) => {
    const wait = waitOf(entity) ?? 0;
    return `    select ${literal(entity.name)} as entity, ${streamOf(entity, "r.id")} as stream, r.id::text, r.version, r.deleted_at,
           r.deleted_at + ${interval(wait)} as purge_at
      from app.${ident(entity.name)} r
      where r.deleted_at <= gesta.asked_at() - ${interval(Math.max(0, wait - noticeOf(entity)))} and r.purged_at is null`;
  });
  return `-- Announces purges to come, each once, whichever process is first: what is to be told to those who look after it.
create or replace function gesta.notice_purges(most integer) returns setof jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform gesta.enter('system');
  return query
    with coming as materialized (
      select c.* from (
${parts.join("\n    union all\n")}
      ) c
        where not exists (select from gesta.purge_notices n where n.stream_id = c.stream and n.version = c.version)
        limit most
    ), told as (
      insert into gesta.purge_notices (stream_id, version, at)
        select c.stream, c.version, gesta.now() from coming c on conflict do nothing returning stream_id
    )
    select jsonb_build_object('entity', c.entity, 'id', c.id, 'deleted_at', gesta.instant(c.deleted_at),
             'purge_at', gesta.instant(c.purge_at))
      from coming c join told t on t.stream_id = c.stream;
end
$$;`;
}
