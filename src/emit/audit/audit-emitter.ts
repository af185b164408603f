import type { EntityPlan } from "../../plan/plan.ts";
import { streamOf } from "../records/write-parts.ts";
import { ident, literal, literals } from "../sql-text.ts";
import { columnsOf } from "../tables/column-type.ts";

/**
 * The audit of an entity declared critical: each row that changes, whoever changes it. It is written at the end of the
 * transaction, when the event that tells who it was is there.
 */
export function emitAudit(entity: EntityPlan): string {
  const { name } = entity;
  const table = `app.${ident(name)}`;
  const drop = `drop trigger if exists audited on ${table};`;
  if (!entity.audited) return drop;
  const personal = columnsOf(entity).flatMap((field) => (field.personal ? [field.name] : []));
  const row = "case tg_op when 'DELETE' then old else new end";
  return `create or replace function app.audit_${name}() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed ${table} := ${row};
begin
  perform gesta.audit_change(${literal(`app.${name}`)}, lower(tg_op), ${streamOf(entity, "changed.id")},
    case tg_op when 'DELETE' then old.version + 1 else new.version end,
    case when tg_op <> 'INSERT' then app.facts_${name}(old) end, case when tg_op <> 'DELETE' then app.facts_${name}(new) end,
    ${literals(personal)});
  return null;
end
$$;
${drop}
create constraint trigger audited after insert or update or delete on ${table}
  deferrable initially deferred for each row execute function app.audit_${name}();`;
}
