import { eventVersionOf } from "../../plan/event-version.ts";
import type { EntityPlan, Plan, Upcast } from "../../plan/plan.ts";
import { literal, literals } from "../sql-text.ts";

const evolved = (plan: Plan): readonly EntityPlan[] => plan.entities.filter(({ evolution }) => evolution.length > 0);

/** An event's data as the declaration of now knows them, as an expression over the event \`e\`. */
export const upcastData = ({ name, evolution }: EntityPlan): string =>
  evolution.length === 0 ? "e.data" : `app.upcast_${name}(e.type, e.type_version, e.data)`;

/**
 * How events of older versions are read. Everything that leaves the ledger goes through these functions: folds, histories,
 * verification; so there is no second reader that could disagree.
 */
export const emitUpcasts = (plan: Plan): string =>
  [
    ...evolved(plan).map(emitUpcast),
    `-- An event's data as the declaration knows them, and the version in which events of an entity are written.
create or replace function gesta.upcast(entity text, type text, type_version smallint, data jsonb) returns jsonb
language sql immutable as $$
  select ${byEntity(plan, ({ name }) => `app.upcast_${name}(type, type_version, data)`, "data")}
$$;
create or replace function gesta.type_version(entity text) returns smallint language sql immutable as $$
  select ${byEntity(plan, (entity) => `${eventVersionOf(entity)}::smallint`, "1::smallint")}
$$;
revoke all on function gesta.upcast(text, text, smallint, jsonb), gesta.type_version(text) from public;`,
  ].join("\n\n");

function byEntity(plan: Plan, expression: (entity: EntityPlan) => string, otherwise: string): string {
  const cases = evolved(plan).map((entity) => `    when ${literal(entity.name)} then ${expression(entity)}`);
  return cases.length === 0 ? otherwise : `case entity\n${cases.join("\n")}\n    else ${otherwise}\n  end`;
}

function emitUpcast(entity: EntityPlan): string {
  const { name, evolution } = entity;
  const steps = evolution.map(
    (upcasts, index) => `  if type_version < ${index + 2} then
${upcasts.map((upcast) => `    ${statement(entity, upcast)}`).join("\n")}
  end if;`,
  );
  return `-- The data of an event of ${name}, read version by version.
create or replace function app.upcast_${name}(type text, type_version smallint, data jsonb) returns jsonb
language plpgsql immutable as $$
begin
${steps.join("\n")}
  return data;
end
$$;`;
}

function statement(entity: EntityPlan, upcast: Upcast): string {
  switch (upcast.kind) {
    case "renamed": {
      const [from, to] = [literal(upcast.from), literal(upcast.to)];
      return `if data ? ${from} then data := jsonb_build_object(${to}, data->${from}) || (data - ${from}); end if;`;
    }
    case "dropped":
      return `data := data - ${literal(upcast.name)};`;
    case "mapped": {
      const name = literal(upcast.name);
      const words = `${literal(JSON.stringify(upcast.words))}::jsonb`;
      return `if ${words} ? (data->>${name}) then data := data || jsonb_build_object(${name}, ${words}->(data->>${name})); end if;`;
    }
    case "defaulted": {
      const value = literal(JSON.stringify({ [upcast.name]: upcast.value }));
      return `if type = any (${literals(beginnings(entity))}) then data := ${value}::jsonb || data; end if;`;
    }
  }
}

/** The events that make records; a field that is new is in none of the others. */
const beginnings = ({ title, actions }: EntityPlan): readonly string[] => [
  ...actions.flatMap(({ kind, event }) => (kind === "create" && typeof event === "string" ? [event] : [])),
  `${title}AddedByHand`,
];
