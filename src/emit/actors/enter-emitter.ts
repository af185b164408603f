import type { Plan } from "../../plan/plan.ts";
import { ident, literals } from "../sql-text.ts";

/**
 * `gesta.enter(who)`: the one place where an actor enters a transaction. It asks the actors' own table, so a user
 * who was deactivated a moment ago is nobody now.
 */
export function emitEnter(plan: Plan): string {
  const { actors } = plan;
  const known =
    actors === null
      ? "  return false;"
      : `  perform set_config('gesta.actor', 'system', true);
  select array[u.${ident(actors.role)}] into roles
    from app.${ident(actors.entity)} u
    where u.id = who::uuid and u.deleted_at is null and u.status = any (${literals(actors.active)});
  perform set_config('gesta.actor', case when roles is null then '' else who end, true);
  if roles is null then return false; end if;
  perform set_config('gesta.roles', array_to_string(roles, ','), true);
  return true;`;
  return `create or replace function gesta.enter(who text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  roles text[];
begin
  perform set_config('gesta.roles', '', true);
  if who is null or who = 'system' then
    perform set_config('gesta.actor', coalesce(who, ''), true);
    return true;
  end if;
${known}
end
$$;`;
}
