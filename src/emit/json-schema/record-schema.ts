import { type Audience, readable, seesDeleted } from "../../plan/audience.ts";
import { deletionStamps } from "../../plan/delete-rules.ts";
import { type Expandable, expandableOf } from "../../plan/expandable.ts";
import type { EntityPlan, FieldPlan } from "../../plan/plan.ts";
import { fieldSchema, idSchema, type Schema } from "./field-schema.ts";

/**
 * The schema of a record as an audience reads it. States are text here: their list is nobody's business.
 * @param titleOf the name of another entity's schema, null where the audience never reads its records.
 */
export function recordSchema(
  entity: EntityPlan,
  audience: Audience,
  titleOf: (entity: string) => string | null,
): Schema {
  const shown = entity.fields.filter((field) => field.kind !== "password" && readable(field, audience) !== "never");
  const moment = { type: "string", format: "date-time" };
  return {
    type: "object",
    properties: {
      id: idSchema(entity.id),
      ...(entity.lifecycle === null ? {} : { status: { type: "string" } }),
      ...Object.fromEntries(shown.map((field) => [field.name, fieldSchema(mayBeErased(field), false)])),
      ...Object.fromEntries(
        expandableOf(entity, audience).map((found) => [found.name, expandedSchema(found, titleOf(found.target))]),
      ),
      version: { type: "integer", minimum: 1 },
      created_at: moment,
      updated_at: moment,
      ...(seesDeleted(entity, audience) === "never"
        ? {}
        : Object.fromEntries(deletionStamps(entity).map((name) => [name, listedDeletion]))),
    },
    required: [
      "id",
      ...(entity.lifecycle === null ? [] : ["status"]),
      ...shown.filter((field) => readable(field, audience) === "always").map(({ name }) => name),
      "version",
      "created_at",
      "updated_at",
    ],
    additionalProperties: false,
  };
}

const listedDeletion = {
  type: ["string", "null"],
  format: "date-time",
  description: "In lists with `deleted` alone",
};

/** The past of a record that was purged has no personal values any more. */
const mayBeErased = (field: FieldPlan): FieldPlan => (field.personal ? { ...field, optional: true } : field);

/** What \`expand\` puts beside a reference: a record, or null where the caller may not read it. */
function expandedSchema({ field }: Expandable, title: string | null): Schema {
  const record = title === null ? { type: "null" } : { $ref: `#/components/schemas/${title}` };
  if (field.kind === "list") return { type: "array", items: record, description: "With `expand` alone" };
  return title === null
    ? { ...record, description: "With `expand` alone" }
    : { anyOf: [record, { type: "null" }], description: "With `expand` alone" };
}
