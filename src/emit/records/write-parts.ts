import type { ActionKind, ActionPlan, EntityPlan } from "../../plan/plan.ts";
import { personalFields } from "../../plan/purging.ts";
import { literal, literals } from "../sql-text.ts";

/** Whether the action's name in \`act\` is one of a kind, as an SQL condition. */
export const isKind = (actions: readonly ActionPlan[], kind: ActionKind, act: string): string => {
  const names = actions.filter((action) => action.kind === kind).map(({ name }) => literal(name));
  return names.length === 0 ? "false" : `${act} in (${names.join(", ")})`;
};

/** The stream of a record as an SQL expression. */
export const streamOf = (entity: EntityPlan, id: string): string =>
  entity.id === "serial" ? `gesta.serial_stream(${literal(entity.name)}, ${id})` : id;

/** Whether a command carries a value, or the hash of a password, that its action may not set. */
export function carriesStray(entity: EntityPlan, actions: readonly ActionPlan[], command: string): string {
  const passwords = entity.fields.filter(({ kind }) => kind === "password").map(({ name }) => name);
  const settable = (wanted: (field: string) => boolean) =>
    `case ${command}->>'action'\n  ${actions.map(({ name, sets }) => `when ${literal(name)} then ${literals(sets.filter(wanted))}`).join("\n  ")}\nend`;
  const stray = `((${command}->'set') - ${settable((field) => !passwords.includes(field))}) is distinct from '{}'`;
  if (passwords.length === 0) return stray;
  const secret = settable((field) => passwords.includes(field));
  return `${stray}\nor (coalesce(${command}->'secrets', '{}') - ${secret}) is distinct from '{}'`;
}

/** Whether any of its actions is done to many records in one call. */
export const takesBulk = ({ actions }: EntityPlan): boolean => actions.some(({ bulk }) => bulk);

/** What a command that was done is answered with: the record, or its id alone where it was one of many. */
export function answered(entity: EntityPlan, row: string, command: string): string {
  const whole = `app.shown_${entity.name}(${row})`;
  if (!takesBulk(entity)) return whole;
  return `case when ${command} ? 'brief' then to_json(${row}.id)::text else ${whole} end`;
}

/** The names of its personal fields as an SQL array. */
export const personalNames = (entity: EntityPlan): string => literals(personalFields(entity).map(({ name }) => name));

/** The values of an event: personal ones are sealed already, by the application. */
export const sealedData = (entity: EntityPlan, data: string, command: string): string =>
  personalFields(entity).length === 0 ? data : `gesta.sealed(${data}, ${command}->'sealed', ${personalNames(entity)})`;

export const hasSecrets = (entity: EntityPlan): boolean => entity.fields.some(({ kind }) => kind === "password");
