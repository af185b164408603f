import type { EntityPlan, FieldPlan } from "../../plan/plan.ts";
import { fieldSchema, idSchema, type Schema } from "./field-schema.ts";

/** The schema of a record as an audience reads it. States are text here: their list is nobody's business. */
export function recordSchema(entity: EntityPlan, readable: (field: FieldPlan) => "always" | "maybe" | "never"): Schema {
  const shown = entity.fields.filter((field) => field.kind !== "password" && readable(field) !== "never");
  const moment = { type: "string", format: "date-time" };
  return {
    type: "object",
    properties: {
      id: idSchema(entity.id),
      ...(entity.lifecycle === null ? {} : { status: { type: "string" } }),
      ...Object.fromEntries(shown.map((field) => [field.name, fieldSchema(field, false)])),
      version: { type: "integer", minimum: 1 },
      created_at: moment,
      updated_at: moment,
    },
    required: [
      "id",
      ...(entity.lifecycle === null ? [] : ["status"]),
      ...shown.filter((field) => readable(field) === "always").map(({ name }) => name),
      "version",
      "created_at",
      "updated_at",
    ],
    additionalProperties: false,
  };
}
