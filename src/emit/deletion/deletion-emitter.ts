import { deleteRules, deletionOf } from "../../plan/delete-rules.ts";
import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { policyCondition } from "../row-security/policy-condition.ts";
import type { PlannedPolicy } from "../row-security/row-security-emitter.ts";
import { ident, literal } from "../sql-text.ts";

/** The entities that a reference with a say stands in or points to: deletes look at them whoever asks. */
const looked = (plan: Plan): readonly EntityPlan[] => {
  const rules = deleteRules(plan);
  return plan.entities.filter(({ name }) =>
    rules.some(({ entity, target }) => entity.name === name || target === name),
  );
};

/** Whether the application declares anything of what deletes ask. */
export const hasBarriers = (plan: Plan): boolean =>
  deleteRules(plan).length > 0 ||
  plan.entities.some((entity) => (deletionOf(entity)?.barrier?.confirm ?? "never") !== "never");

/** The policies that let `gesta_gate` see who refers to whom. */
export const lookPolicies = (plan: Plan, { name }: EntityPlan): readonly PlannedPolicy[] =>
  looked(plan).some((entity) => entity.name === name) ? [{ name: "look", roles: ["gesta_gate"], open: true }] : [];

/**
 * What the ledger's functions for deletes and restores know of the plan. Two of them belong to `gesta_gate`: a delete
 * concerns records whoever may read them, and behind a policy PostgreSQL would not use the index of a list.
 */
export function emitDeletion(plan: Plan): string {
  if (!hasBarriers(plan)) return "";
  return [
    ...looked(plan).map((entity) => emitLook(entity, plan)),
    emitRules(plan),
    emitNames(plan),
    emitReadable(plan),
    "set local role gesta_gate;",
    emitDependents(plan),
    emitStored(plan),
    `revoke all on function gesta.dependents(text, text[], integer), gesta.stored(text, text[]) from public;
grant execute on function gesta.dependents(text, text[], integer), gesta.stored(text, text[]) to gesta_owner;
set local role gesta_owner;
revoke all on function gesta.delete_rules(), gesta.names_of(text), gesta.readable(text, text, text[]) from public;
grant execute on function gesta.impact(text, text, text) to gesta_app;`,
  ].join("\n\n");
}

const rulesIn = (plan: Plan, entity: EntityPlan) =>
  deleteRules(plan).filter((rule) => rule.entity.name === entity.name);

function emitLook(entity: EntityPlan, plan: Plan): string {
  const table = `app.${ident(entity.name)}`;
  const fields = rulesIn(plan, entity).map(({ field }) => ident(field.name));
  return `grant select (${["id", "version", "deleted_at", ...fields].join(", ")}) on ${table} to gesta_gate;
drop policy if exists look on ${table};
create policy look on ${table} for select to gesta_gate using (true);`;
}

/** Of a type: where no list has a say, nothing else tells PostgreSQL which one. */
const none = "null::integer";

function emitRules(plan: Plan): string {
  const rows = deleteRules(plan).map(
    ({ entity, field, rule, target, many }) =>
      `(${[entity.name, field.name, rule, target].map(literal).join(", ")}, ${many ? (field.max ?? none) : none})`,
  );
  const body =
    rows.length === 0
      ? `  select null::text, null::text, null::text, null::text, ${none} where false`
      : `  values ${rows.join(",\n         ")}`;
  return `-- The references that have a say when the record they point to is deleted, and how many a list holds at most.
create or replace function gesta.delete_rules() returns table (entity text, field text, rule text, target text, most integer)
language sql immutable as $$
${body}
$$;`;
}

const emitNames = (plan: Plan): string => `-- How the delete and the events of an entity are called.
create or replace function gesta.names_of(entity text) returns jsonb language sql immutable as $$
  select case entity
${plan.entities
  .map((entity) => {
    const deletion = deletionOf(entity);
    const names = {
      ...(deletion === undefined
        ? {}
        : { delete: deletion.name, deleted: deletion.event, restored: `${entity.title}Restored` }),
      detached: entity.detachEvent,
    };
    return `    when ${literal(entity.name)} then ${literal(JSON.stringify(names))}::jsonb`;
  })
  .join("\n")}
  end
$$;`;

const arrayType = (entity: EntityPlan) => (entity.id === "serial" ? "bigint[]" : "uuid[]");

/** A field that has readers of its own tells nobody else who refers to whom. */
function emitReadable(plan: Plan): string {
  const cases = plan.entities.map((entity) => {
    const masks = rulesIn(plan, entity).flatMap(({ field }) =>
      field.readBy === null
        ? []
        : [
            `\n          and (of_field is distinct from ${literal(field.name)} or ${policyCondition(plan, entity, field.readBy, "r")})`,
          ],
    );
    return `    when ${literal(entity.name)} then
      return array(
        select r.id::text from app.${ident(entity.name)} r
          where r.id = any (ids::${arrayType(entity)})${masks.join("")}
          order by r.id limit 100
      );`;
  });
  return `-- Those of the records that the actor who has entered may read, and may see the field of; a hundred at most.
create or replace function gesta.readable(of_entity text, of_field text, ids text[]) returns text[]
language plpgsql stable as $$
begin
  case of_entity
${cases.join("\n")}
  end case;
end
$$;`;
}

function emitDependents(plan: Plan): string {
  const targets = looked(plan)
    .map((target) => ({ target, rules: deleteRules(plan).filter((rule) => rule.target === target.name) }))
    .filter(({ rules }) => rules.length > 0);
  const cases = targets.map(({ target, rules }) => {
    const type = arrayType(target);
    const parts = rules.map(({ entity, field, rule, many }) => {
      const column = `r.${ident(field.name)}`;
      const found = [entity.name, field.name, rule].map(literal).join(", ");
      const table = `app.${ident(entity.name)} r`;
      // Few ids are looked up in the index of the list, one at a time, or it would not be used; of many, one pass is less.
      return many
        ? `if cardinality(ids) <= 20 then
        return query select distinct ${found}, r.id::text, r.version from unnest(ids::${type}) q (id), lateral (
          select r.id, r.version from ${table} where ${column} @> array[q.id] and r.deleted_at is null offset 0
        ) r limit most;
      else
        return query select distinct ${found}, r.id::text, r.version from ${table}, unnest(${column}) e (id)
          where r.deleted_at is null and e.id in (select unnest(ids::${type})) limit most;
      end if;`
        : `return query select ${found}, r.id::text, r.version from unnest(ids::${type}) q (id), lateral (
        select r.id, r.version from ${table} where ${column} = q.id and r.deleted_at is null offset 0
      ) r limit most;`;
    });
    return `    when ${literal(target.name)} then
      ${parts.join("\n      ")}`;
  });
  const body = cases.length === 0 ? "  return;" : `  case of_entity\n${cases.join("\n")}\n    else\n  end case;`;
  return `-- The living records that refer to records of an entity, by the references that have a say; so many of each at most. A
-- plan is made once, for one id as for thousands, and for tables that nobody has analysed yet: with nested loops it may
-- compare each id with each entry of each list.
create or replace function gesta.dependents(of_entity text, ids text[], most integer) returns setof gesta.dependent
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set enable_nestloop = off as $$
begin
${body}
end
$$;`;
}

function emitStored(plan: Plan): string {
  const cases = looked(plan).map((entity) => {
    const fields = rulesIn(plan, entity).map(({ field }) => `, ${literal(field.name)}, r.${ident(field.name)}`);
    return `    when ${literal(entity.name)} then
      return query select jsonb_build_object('id', r.id::text, 'version', r.version, 'deleted_at', r.deleted_at${fields.join("")})
        from app.${ident(entity.name)} r where r.id = any (ids::${arrayType(entity)});`;
  });
  const body = cases.length === 0 ? "  return;" : `  case of_entity\n${cases.join("\n")}\n    else\n  end case;`;
  return `-- Records as far as deletes and restores look at them, deleted ones too.
create or replace function gesta.stored(of_entity text, ids text[]) returns setof jsonb
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
${body}
end
$$;`;
}
