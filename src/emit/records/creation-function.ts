import { rulesOf } from "../../plan/delete-rules.ts";
import type { EntityPlan } from "../../plan/plan.ts";
import { personalFields } from "../../plan/purging.ts";
import { ident, indent, literal } from "../sql-text.ts";
import { answered, carriesStray, hasSecrets, sealedData, streamOf } from "./write-parts.ts";

/** Makes records of one actor: one statement for all rows, one for all events. */
export function emitCreation(entity: EntityPlan): string {
  const creates = entity.actions.filter(({ kind }) => kind === "create");
  if (creates.length === 0) return "";
  const { name, lifecycle } = entity;
  const table = `app.${ident(name)}`;
  const id = entity.id === "serial" ? `nextval('app.${name}_id_seq')` : "d.c->>'id'";
  const blank = [
    ...(lifecycle === null
      ? []
      : [
          `blank.status := (select w.source->>'initial' from gesta.workflow_versions w where w.entity = ${literal(name)} order by w.version desc limit 1);`,
        ]),
    "blank.version := 1;",
    "blank.created_at := gesta.now();",
    "blank.updated_at := blank.created_at;",
  ];
  const set = sealedData(entity, "g.set", "g.c");
  const data = lifecycle === null ? set : `${set} || jsonb_build_object('status', blank.status)`;
  const secrets = hasSecrets(entity);
  const living = `  perform gesta.demand_living(${literal(name)}, to_jsonb(jsonb_populate_record(blank, c->'set')), null) from unnest(commands) c;\n`;
  return `-- Makes records of ${name} for the actor that has entered: 'done 1 <json>' for each. One statement makes the rows and their
-- events: what each statement costs by itself would be most of a small batch. Events wait for all rows: whoever may not
-- make a record is refused for that, and not told that there is one.
create or replace function app.create_${name}(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank ${table};
  written smallint := gesta.type_version(${literal(name)});
  answers text[];${
    secrets
      ? `
  ids ${entity.id === "serial" ? "bigint" : "uuid"}[];`
      : ""
  }
  strays boolean;
  noted boolean;
begin
  ${blank.join("\n  ")}
${rulesOf(entity).length === 0 ? "" : living}  with given as materialized (
    select jsonb_populate_record(blank, d.set || jsonb_build_object('id', ${id})) as made, d.set, d.c,
           coalesce((d.c->>'event')::uuid, gen_random_uuid()) as event
      from (select c, c->'set' as set from unnest(commands) c offset 0) d
  ), kept as (
    insert into ${table} select (g.made).* from given g returning 1
  ), told as (
    insert into gesta.events
      (stream_id, version, id, entity, type, type_version, action, data, actor_type, actor_id, reason, request_id,
       correlation_id, causation_id, at, hash)
      select e.*
        from (
          select g.c, g.event, ${streamOf(entity, "(g.made).id")} as stream, ${data} as data
            from given g
            cross join (select count(*) from kept) k
            offset 0
        ) g
        cross join lateral gesta.event_of(
          ${literal(name)}, written, g.event, g.stream, 1, blank.created_at, g.data, g.c, null
        ) e
  )
  select array_agg(concat('done 1 ', ${answered(entity, "(g.made)", "commands[1]")})),
         bool_or(${indent(carriesStray(entity, creates, "g.c"), 9).trimStart()}),
         exists (
           select from gesta.event_versions v where v.entity = ${literal(name)} and v.type_version = written
         )${secrets ? ",\n         array_agg((g.made).id)" : ""}
    into answers, strays, noted${secrets ? ", ids" : ""}
    from given g;
  if strays then raise insufficient_privilege; end if;
  if not noted then perform gesta.note_version(${literal(name)}, written); end if;
${secrets ? `  perform gesta.keep_secrets(q.id, q.c->'secrets') from unnest(ids, commands) q (id, c);\n` : ""}${personalFields(entity).length === 0 ? "" : "  perform gesta.keep_keys(commands);\n"}  return answers;
end
$$;`;
}
