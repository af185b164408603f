import type { ActionPlan } from "../../plan/plan.ts";
import { inputSchema, type Schema } from "./field-schema.ts";

/** No value fits: a list of words may not be empty in JSON Schema. */
const nothing: Schema = { not: {} };

/**
 * What an action takes now. An action that lets the caller name the state to end in takes those of `targets` alone.
 * @param targets the states that it can lead to from where the record is.
 */
export function actionSchema(action: ActionPlan, targets: readonly string[]): Schema {
  const partial = action.kind === "update";
  if (typeof action.event === "string") return inputSchema(action.input, true, partial);
  const narrowed = action.input.map((field) => ({ ...field, values: field.values.filter(isTarget(targets)) }));
  const schema = inputSchema(narrowed, true, partial);
  return targets.length > 0 ? schema : { ...schema, properties: { status: nothing } };
}

const isTarget = (targets: readonly string[]) => (state: string) => targets.includes(state);
