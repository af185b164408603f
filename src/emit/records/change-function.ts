import { deletionOf, isLinked, rulesOf } from "../../plan/delete-rules.ts";
import type { ActionPlan, EntityPlan, Plan } from "../../plan/plan.ts";
import { isPurgeable, personalFields } from "../../plan/purging.ts";
import { writtenActions } from "../../plan/undo-rules.ts";
import { ident, indent, literal } from "../sql-text.ts";
import { columnsOf } from "../tables/column-type.ts";
import { answered, carriesStray, hasSecrets, isKind, sealedData, streamOf } from "./write-parts.ts";

/** Changes records of one actor by one action: one statement reads them, one writes them, one appends the events. */
export function emitChange(plan: Plan, entity: EntityPlan): string {
  const written = writtenActions(entity.actions).filter(({ kind }) => kind !== "create");
  const changes = [...written, ...detaching(entity)];
  if (changes.length === 0) return "";
  const { name, lifecycle } = entity;
  const table = `app.${ident(name)}`;
  const columns = [
    ...(lifecycle === null ? [] : ["status"]),
    ...columnsOf(entity).map((field) => ident(field.name)),
    "version",
    "updated_at",
    "deleted_at",
  ];
  const idType = entity.id === "serial" ? "bigint" : "uuid";
  const deletes = isKind(changes, "delete", "act");
  const linked = (row: string) =>
    rulesOf(entity)
      .map(({ field }) => `${row}.${ident(field.name)}`)
      .join(", ");
  const isPersonal = personalFields(entity).length > 0;
  const restorable = deletionOf(entity) !== undefined;
  const moves = changes.some(({ kind }) => kind === "move");
  const columnList = columns.length === 1 ? columns.join() : `(${columns.join(", ")})`;
  return `-- Changes records of ${name} by one action of the actor that has entered: 'done <version> <json>' or the refusal for each.
-- A record that the batch has changed already is stale for the commands behind.
create or replace function app.change_${name}(act text, commands jsonb[]) returns text[]
language plpgsql as $$
declare
  change record;
  command jsonb;
  old ${table};
  new ${table};
  data jsonb;
  answers text[];
  changed ${table}[] := '{}';
  ids ${idType}[] := '{}';
  facts gesta.fact[] := '{}';
  rows bigint;
begin
  for change in
    select q.c, q.place, r.old
      from unnest(commands) with ordinality q (c, place)
      left join lateral (
        select r as old from ${table} r where r.id = (q.c->>'id')::${idType} offset 0
      ) r on true
      order by q.place
  loop
    old := change.old;
    command := change.c;
    data := command->'set';
    if ${indent(carriesStray(entity, changes, "command"), 6).trimStart()} then
      answers[change.place] := 'forbidden';
    elsif old.id is null then
      answers[change.place] := 'not_found';
${
  restorable
    ? `    elsif act = 'restore' and old.deleted_at is null then
      answers[change.place] := 'conflict';
${
  isPurgeable(entity)
    ? `    elsif act = 'restore' and old.purged_at is not null then
      answers[change.place] := 'purged';
`
    : ""
}`
    : ""
}    elsif old.deleted_at is not null${restorable ? " and act <> 'restore'" : ""} then
      answers[change.place] := case when ${deletes} then 'unchanged' else concat('gone ', gesta.instant(old.deleted_at)) end;
    elsif old.version <> (command->>'version')::integer then
      answers[change.place] := concat('stale ', old.version);
    elsif old.id = any (ids) then
      answers[change.place] := concat('stale ', old.version + 1);
    elsif command ? 'keep' then
      answers[change.place] := concat('done ', old.version, ' ', ${answered(entity, "old", "command")});
${moves ? indent(refusedMove(entity), 4) : ""}    else
${indent(barrier(plan, entity, deletes), 6)}${restorable ? indent(restored(entity), 6) : ""}      new := jsonb_populate_record(old, data);
${
  isPersonal
    ? `      data := ${sealedData(entity, "data", "command")};
`
    : ""
}      new.version := old.version + 1;
      new.updated_at := greatest(gesta.now(), old.updated_at);
${moves ? indent(move(entity), 6) : ""}      if ${deletes} then
        new.deleted_at := new.updated_at;
        data := jsonb_build_object('deleted_at', gesta.instant(new.deleted_at));
      end if;
${indent(frozenFields(entity), 6)}${
  rulesOf(entity).length === 0
    ? ""
    : `      if row(${linked("new")}) is distinct from row(${linked("old")}) then
        perform gesta.demand_living(${literal(name)}, to_jsonb(new), to_jsonb(old));
      end if;
`
}      changed := changed || new;
      ids := ids || new.id;
      facts := facts || row(${streamOf(entity, "new.id")}, new.version, new.updated_at, data, command)::gesta.fact;
      answers[change.place] := concat('done ', new.version, ' ', ${answered(entity, "new", "command")});
    end if;
  end loop;

  if cardinality(changed) > 0 then
    update ${table} r set ${columnList}
      = (${columns.map((column) => `n.${column}`).join(", ")})
      from unnest(changed) n
      where r.id = n.id;
    get diagnostics rows = row_count;
    if rows < cardinality(changed) then raise insufficient_privilege; end if;
${
  hasSecrets(entity)
    ? `    perform gesta.keep_secrets((c->>'id')::uuid, c->'secrets')
      from unnest(commands, answers) q (c, answer) where answer like 'done %';
${endOfAccess(plan, entity)}`
    : ""
}${
  isPersonal
    ? `    perform gesta.keep_keys(array(select c from unnest(commands, answers) q (c, answer) where answer like 'done %'));
`
    : ""
}    perform gesta.append(${literal(name)}, facts);
${indent(others(plan, entity, deletes), 4)}  end if;
  return answers;
end
$$;`;
}

/** Whoever replaces the password to sign in with ends what the old one opened. */
function endOfAccess({ actors }: Plan, { name }: EntityPlan): string {
  if (actors === null || actors.login === null || actors.entity !== name) return "";
  return `    perform gesta.end_access((c->>'id')::uuid, (c->>'session')::uuid)
      from unnest(commands, answers) q (c, answer)
      where answer like 'done %' and c->'secrets' ? ${literal(actors.login.password)};
`;
}

const refusedMove = (entity: EntityPlan): string =>
  `elsif ${isKind(entity.actions, "move", "act")} and not exists (
  select from gesta.workflow w
    where w.entity = ${literal(entity.name)} and w.action = act and w.from_state = old.status and w.to_state = command->>'to'
) then
  answers[change.place] := concat('transition_not_allowed ', old.status);
`;

/** Fields that keep their values once the record has reached a state: 'frozen <state> <field> …'. */
function frozenFields(entity: EntityPlan): string {
  const states = new Set(columnsOf(entity).flatMap(({ frozenFrom }) => frozenFrom ?? []));
  return [...states]
    .map((state) => {
      const names = columnsOf(entity).flatMap((field) => (field.frozenFrom === state ? [field.name] : []));
      const row = (record: string) => `row(${names.map((name) => `${record}.${ident(name)}`).join(", ")})`;
      const changed = names.map(
        (name) => `case when new.${ident(name)} is distinct from old.${ident(name)} then ${literal(name)} end`,
      );
      return `if ${row("new")} is distinct from ${row("old")}
    and gesta.has_reached(${literal(entity.name)}, ${literal(state)}, old.status, ${streamOf(entity, "old.id")}) then
  answers[change.place] := concat_ws(' ', 'frozen', old.status, ${changed.join(", ")});
  continue;
end if;
`;
    })
    .join("");
}

const move = (entity: EntityPlan): string =>
  `if ${isKind(entity.actions, "move", "act")} then
  new.status := command->>'to';
  data := data || jsonb_build_object('status', new.status);
end if;
`;

/** What Gesta itself does to records that refer to a deleted or restored one. */
function detaching(entity: EntityPlan): readonly ActionPlan[] {
  const sets = rulesOf(entity).flatMap(({ field, rule }) => (rule === "detach" ? [field.name] : []));
  const [model] = entity.actions;
  return sets.length === 0 || model === undefined ? [] : [{ ...model, name: "detach", kind: "update", sets }];
}

/** What a delete must not do, or not without being confirmed. */
function barrier(plan: Plan, entity: EntityPlan, deletes: string): string {
  const confirm = deletionOf(entity)?.barrier?.confirm ?? "never";
  if (deletionOf(entity) === undefined || (confirm === "never" && !isLinked(plan, entity))) return "";
  return `if ${deletes} then
  answers[change.place] := gesta.barrier(${literal(entity.name)}, old.id::text, command, ${literal(confirm)});
  continue when answers[change.place] is not null;
end if;
`;
}

function restored(entity: EntityPlan): string {
  if (rulesOf(entity).length === 0) {
    return `if act = 'restore' then data := data || '{"deleted_at": null}'; end if;
`;
  }
  return `if act = 'restore' then
  data := data || '{"deleted_at": null}';
  if not command ? 'along' then
    data := data || gesta.let_go_of_deleted(${literal(entity.name)}, to_jsonb(old),
      gesta.cohort_of(${streamOf(entity, "old.id")}, old.version));
  end if;
end if;
`;
}

/** What a delete takes along, and a restore brings back. */
function others(plan: Plan, entity: EntityPlan, deletes: string): string {
  if (deletionOf(entity) === undefined || !isLinked(plan, entity)) return "";
  return `if ${deletes} or act = 'restore' then
  for n in 1..cardinality(facts) loop
    perform case when act = 'restore' then gesta.bring_back(${literal(entity.name)}, (changed[n]).id::text, facts[n])
                 else gesta.take_along(${literal(entity.name)}, (changed[n]).id::text, facts[n]) end;
  end loop;
end if;
`;
}
