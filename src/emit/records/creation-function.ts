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
  const id = entity.id === "serial" ? `nextval('app.${name}_id_seq')` : "c->>'id'";
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
  const set = sealedData(entity, "q.c->'set'", "q.c");
  const data = lifecycle === null ? set : `${set} || jsonb_build_object('status', (q.m).status)`;
  return `-- Makes records of ${name} for the actor that has entered: 'done 1 <json>' for each.
create or replace function app.create_${name}(commands jsonb[]) returns text[]
language plpgsql as $$
declare
  blank ${table};
  made ${table}[];
begin
  if exists (
    select from unnest(commands) c
      where ${indent(carriesStray(entity, creates, "c"), 6).trimStart()}
  ) then raise insufficient_privilege; end if;
  ${blank.join("\n  ")}
  made := array(
    select jsonb_populate_record(blank, c->'set' || jsonb_build_object('id', ${id})) from unnest(commands) c
  );
${
  rulesOf(entity).length === 0
    ? ""
    : `  perform gesta.demand_living(${literal(name)}, to_jsonb(m), null) from unnest(made) m;
`
}  insert into ${table} select * from unnest(made);
${hasSecrets(entity) ? `  perform gesta.keep_secrets((q.m).id, q.c->'secrets') from (select unnest(made) as m, unnest(commands) as c) q;\n` : ""}${personalFields(entity).length === 0 ? "" : "  perform gesta.keep_keys(commands);\n"}  perform gesta.append(${literal(name)}, array(
    select row(${streamOf(entity, "(q.m).id")}, 1, (q.m).created_at, ${data}, q.c)::gesta.fact
      from (select unnest(made) as m, unnest(commands) as c) q
  ));
  return array(select concat('done 1 ', ${answered(entity, "m", "commands[1]")}) from unnest(made) m);
end
$$;`;
}
