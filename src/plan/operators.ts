import type { FieldPlan } from "./plan.ts";

const scalar = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "is"];
const texts = new Set(["text", "url", "email"]);

/** The operators that a field takes in a list's query, the usual one first. */
export function operatorsOf(field: FieldPlan): readonly string[] {
  if (field.name === "id") return ["eq", "in"];
  if (field.kind === "list") return ["contains", "is"];
  return texts.has(field.kind) ? [...scalar, "contains", "starts"] : scalar;
}
