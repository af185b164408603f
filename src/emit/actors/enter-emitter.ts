import type { EntityPlan, Plan } from "../../plan/plan.ts";
import type { PlannedPolicy } from "../row-security/row-security-emitter.ts";
import { ident, literals } from "../sql-text.ts";

/**
 * `gesta.enter(who)`: the one place where an actor enters a transaction. It asks the actors' own table, so a user
 * who was deactivated a moment ago is nobody now. It belongs to `gesta_gate`, which sees every actor's role and
 * nothing else: the policies of that table are for those who are in already.
 */
export function emitEnter(plan: Plan): string {
  const { actors } = plan;
  return `${actors === null ? "" : gateRights(actors)}set local role gesta_gate;
create or replace function gesta.enter(who text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  role text;
begin
  if who is null or who = 'system' then
    perform set_config('gesta.actor', coalesce(who, ''), true), set_config('gesta.roles', '', true);
    return true;
  end if;
${
  actors === null
    ? ""
    : `${knownRole(actors)}
`
}  perform set_config('gesta.actor', case when role is null then '' else who end, true),
          set_config('gesta.roles', coalesce(role, ''), true);
  return role is not null;
end
$$;
revoke all on function gesta.enter(text) from public;
grant execute on function gesta.enter(text) to gesta_app, gesta_owner;
set local role gesta_owner;`;
}

/** The policy that lets `gesta_gate` see the actors, where an entity is theirs. */
export const gatePolicies = ({ actors }: Plan, { name }: EntityPlan): readonly PlannedPolicy[] =>
  actors?.entity === name ? [{ name: "gate", roles: ["gesta_gate"], open: true }] : [];

type Actors = NonNullable<Plan["actors"]>;

const gateRights = ({
  entity,
  role,
}: Actors): string => `grant select (id, status, deleted_at, ${ident(role)}) on app.${ident(entity)} to gesta_gate;
drop policy if exists gate on app.${ident(entity)};
create policy gate on app.${ident(entity)} for select to gesta_gate using (true);
`;

const knownRole = ({ entity, role, active }: Actors): string => `  role := (
    select u.${ident(role)} from app.${ident(entity)} u
      where u.id = who::uuid and u.deleted_at is null and u.status = any (${literals(active)})
  );`;
