import type { FieldPlan, IndexPlan } from "../plan.ts";

/** An index for each declared unique value, filter, sort and reference, and no other. */
export const planIndexes = (entity: string, fields: readonly FieldPlan[]): readonly IndexPlan[] =>
  fields
    .filter((field) => field.unique || field.filter || field.sort || field.target !== null)
    .map((field) => ({
      name: `${entity}_${field.name}_${field.unique ? "key" : "index"}`,
      columns: [field.name],
      unique: field.unique,
      caseless: field.unique && field.kind === "email",
      entries: field.kind === "list",
    }));
