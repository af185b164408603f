import type { ActionPlan, EntityPlan } from "../../plan/plan.ts";
import { ident, indent, literal, literals } from "../sql-text.ts";
import { columnsOf } from "../tables/column-type.ts";

/**
 * The functions through which records change, and the only way: the application's role may call `write_…` and has no
 * right to insert or update. One command is one event and one row, or a refusal; a batch is one transaction in which
 * each command has a sub-transaction of its own.
 */
export const emitWriteFunctions = (entity: EntityPlan): string =>
  [
    emitApply(entity),
    emitWrite(entity),
    ...entity.fields.filter(({ kind }) => kind === "password").map(({ name }) => emitSecret(entity, name)),
  ].join("\n\n");

function emitApply(entity: EntityPlan): string {
  const { name } = entity;
  const table = `app.${ident(name)}`;
  const columns = [
    ...(entity.lifecycle === null ? [] : ["status"]),
    ...columnsOf(entity).map((field) => ident(field.name)),
    "version",
    "updated_at",
    "deleted_at",
  ];
  const allowed = entity.actions.map((action) => `when ${literal(action.name)} then ${literals(action.sets)}`);
  const creates = entity.actions.filter(({ kind }) => kind === "create");
  const moves = entity.lifecycle !== null && entity.actions.some(({ kind }) => kind === "move");
  return `-- Does one command on ${name}: 'done <version> <json>', or the refusal.
create or replace function app.apply_${name}(command jsonb) returns text
language plpgsql as $$
declare
  act text := command->>'action';
  given jsonb := command->'set';
  at timestamptz := gesta.now();
  old ${table};
  new ${table};
begin
  if not gesta.enter(command->>'actor') then return 'unauthenticated'; end if;
  perform set_config('gesta.action', ${literal(`${name}.`)} || act, true);
  if (given - case act
    ${allowed.join("\n    ")}
  end) is distinct from '{}' then return 'forbidden'; end if;

${creates.length === 0 ? "" : indent(creation(entity, creates), 2)}
  select * into old from ${table} r where r.id = ${idOf(entity)};
  if not found then return 'not_found'; end if;
  if old.deleted_at is not null then
    return case when ${isKind(entity.actions, "delete")} then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
  end if;
  if old.version <> (command->>'version')::integer then return concat('stale ', old.version); end if;

  at := greatest(at, old.updated_at);
  new := jsonb_populate_record(old, given);
  new.version := old.version + 1;
  new.updated_at := at;
${moves ? indent(transition(entity), 2) : ""}
  if ${isKind(entity.actions, "delete")} then
    new.deleted_at := at;
    given := jsonb_build_object('deleted_at', gesta.instant(at));
  end if;
  update ${table} set
    (${columns.join(", ")})
    = (${columns.map((column) => `new.${column}`).join(", ")})
    where ${ident(name)}.id = old.id;
  if not found then return 'forbidden'; end if;${secrets(entity)}
  perform gesta.append(${streamOf(entity, "new.id")}, new.version, ${literal(name)}, given, command, at);
  return concat('done ', new.version, ' ', app.shown_${name}(new));
end
$$;`;
}

/** Password hashes, apart from the record and its events. */
const secrets = (entity: EntityPlan): string =>
  entity.fields.some(({ kind }) => kind === "password")
    ? `\n  perform gesta.keep_secrets(${streamOf(entity, "new.id")}, command->'secrets');`
    : "";

const isKind = (actions: readonly ActionPlan[], kind: ActionPlan["kind"]): string => {
  const names = actions.filter((action) => action.kind === kind).map(({ name }) => literal(name));
  return names.length === 0 ? "false" : `act in (${names.join(", ")})`;
};

const idOf = (entity: EntityPlan) => `(command->>'id')::${entity.id === "serial" ? "bigint" : "uuid"}`;

const streamOf = (entity: EntityPlan, id: string) =>
  entity.id === "serial" ? `gesta.serial_stream(${literal(entity.name)}, ${id})` : id;

function creation(entity: EntityPlan, creates: readonly ActionPlan[]): string {
  const table = `app.${ident(entity.name)}`;
  const id =
    entity.id === "serial"
      ? `new.id := nextval(pg_get_serial_sequence('${table}', 'id'));`
      : "new.id := (command->>'id')::uuid;";
  const initial = entity.lifecycle === null ? [] : [`new.status := ${literal(entity.lifecycle.initial)};`];
  const data = entity.lifecycle === null ? "given" : `given || jsonb_build_object('status', new.status)`;
  return `if act in (${creates.map(({ name }) => literal(name)).join(", ")}) then
  new := jsonb_populate_record(null::${table}, given);
  ${[id, ...initial].join("\n  ")}
  new.version := 1;
  new.created_at := at;
  new.updated_at := at;
  insert into ${table} values (new.*);${secrets(entity)}
  perform gesta.append(${streamOf(entity, "new.id")}, 1, ${literal(entity.name)}, ${data}, command, at);
  return concat('done 1 ', app.shown_${entity.name}(new));
end if;
`;
}

const transition = (entity: EntityPlan): string =>
  `if ${isKind(entity.actions, "move")} then
  new.status := command->>'to';
  if not exists (
    select from gesta.workflow w
      where w.entity = ${literal(entity.name)} and w.action = act and w.from_state = old.status and w.to_state = new.status
  ) then return concat('transition_not_allowed ', old.status); end if;
  given := given || jsonb_build_object('status', new.status);
end if;`;

function emitWrite(entity: EntityPlan): string {
  const { name } = entity;
  return `-- Does a batch of commands on ${name}: one answer for each, in order.
create or replace function app.write_${name}(commands jsonb) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  command jsonb;
  broken text;
begin
  perform gesta.lock_streams(commands);
  for command in select c from jsonb_array_elements(commands) c loop
    begin
      return next app.apply_${name}(command);
    exception when others then
      get stacked diagnostics broken = constraint_name;
      return next gesta.refusal(sqlstate, broken, sqlerrm);
    end;
  end loop;
end
$$;`;
}

const emitSecret = (entity: EntityPlan, field: string): string =>
  `-- The hash that a ${field} must match, for the record's own actor and for Gesta itself.
create or replace function app.secret_${entity.name}_${field}(who text, wanted uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  answer text;
begin
  if who is distinct from 'system' and who is distinct from wanted::text then return 'not_found'; end if;
  if not gesta.enter(who) then return 'unauthenticated'; end if;
  select concat('found ', s.hash) into answer
    from app.${ident(entity.name)} r join gesta.secrets s on s.stream_id = r.id and s.field = ${literal(field)}
    where r.id = wanted and r.deleted_at is null;
  return coalesce(answer, 'not_found');
end
$$;`;
