import type { EntityPlan } from "../../plan/plan.ts";
import { isPurgeable, personalFields } from "../../plan/purging.ts";
import { sealedData, streamOf } from "../records/write-parts.ts";
import { ident, literal } from "../sql-text.ts";
import { columnsOf } from "../tables/column-type.ts";

/** What operators mend records with; no role but the owner's may call it. */
export function emitPut(entity: EntityPlan): string {
  const { name, lifecycle } = entity;
  const table = `app.${ident(name)}`;
  const columns = [
    ...(lifecycle === null ? [] : ["status"]),
    ...columnsOf(entity).map((field) => ident(field.name)),
    ...["version", "created_at", "updated_at", "deleted_at"],
    ...(isPurgeable(entity) ? ["purged_at"] : []),
  ];
  return `-- Puts a record of ${name} into a state that its events give, for operators: 'done', or 'moved' where the stream does not
-- end with version \`known\`. Null removes the row. A command is an event of its own that brings the state about.
create or replace function app.put_${name}(
  wanted ${entity.id === "serial" ? "bigint" : "uuid"}, state jsonb, known integer, command jsonb
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  stream uuid := ${streamOf(entity, "wanted")};
  stamps gesta.stamps;
  made ${table};
begin
  perform gesta.enter('system');
  perform pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
  stamps := gesta.next_stamps(stream);
  if stamps.version <> known + 1 then return 'moved'; end if;
  if command is null then
    insert into gesta.audit (at, actor_type, actor_id, relation, operation, stream_id, version)
      values (gesta.now(), 'operator', session_user, ${literal(`app.${name}`)}, 'rebuild', stream, known);
  else
${personalFields(entity).length === 0 ? "" : "    perform gesta.keep_keys(array[command || jsonb_build_object('id', wanted)]);\n"}    perform gesta.append(${literal(name)}, array[row(
      stream, stamps.version, stamps.updated_at, ${sealedData(entity, "command->'set'", "command")},
      command || jsonb_build_object('operator', session_user))::gesta.fact]);
    state := state || jsonb_build_object('version', stamps.version, 'updated_at', stamps.updated_at);
  end if;
  if state is null then
    delete from ${table} r where r.id = wanted;
  else
    made := jsonb_populate_record(null::${table}, state || jsonb_build_object('id', wanted));
    insert into ${table} select (made).*
      on conflict (id) do update set (${columns.join(", ")})
        = (${columns.map((column) => `excluded.${column}`).join(", ")});
  end if;
  return 'done';
end
$$;`;
}
