import type { ActionKind, ActionPlan, EntityPlan } from "../../plan/plan.ts";
import { literal, literals } from "../sql-text.ts";

/** Whether the action's name in \`act\` is one of a kind, as an SQL condition. */
export const isKind = (actions: readonly ActionPlan[], kind: ActionKind, act: string): string => {
  const names = actions.filter((action) => action.kind === kind).map(({ name }) => literal(name));
  return names.length === 0 ? "false" : `${act} in (${names.join(", ")})`;
};

/** The stream of a record as an SQL expression. */
export const streamOf = (entity: EntityPlan, id: string): string =>
  entity.id === "serial" ? `gesta.serial_stream(${literal(entity.name)}, ${id})` : id;

/** What is left of a command's values without those that its action may set: `{}` when all is well. */
export const strayValues = (actions: readonly ActionPlan[], act: string): string =>
  `(c->'set') - case ${act}
  ${actions.map((action) => `when ${literal(action.name)} then ${literals(action.sets)}`).join("\n  ")}
end`;

export const hasSecrets = (entity: EntityPlan): boolean => entity.fields.some(({ kind }) => kind === "password");
