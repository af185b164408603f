import { type Audience, readable, seesDeleted } from "../../plan/audience.ts";
import { deletionStamps } from "../../plan/delete-rules.ts";
import { expandableOf } from "../../plan/expandable.ts";
import { operatorsOf } from "../../plan/operators.ts";
import type { EntityPlan, FieldPlan } from "../../plan/plan.ts";
import { fieldSchema, idSchema, type Schema } from "../json-schema/field-schema.ts";

const query = (name: string, schema: object, description: string) => ({ name, in: "query", description, schema });
export const listed = (name: string, items: Schema, description: string) => ({
  ...query(name, { type: "array", items, minItems: 1 }, description),
  style: "form",
  explode: false,
});

const said: Readonly<Record<string, string>> = {
  eq: "equal to",
  ne: "not equal to",
  gt: "greater than",
  gte: "at least",
  lt: "less than",
  lte: "at most",
  in: "one of; a comma inside a value is `\\,`",
  nin: "none of; a comma inside a value is `\\,`",
  is: "`null` or `not_null`",
  contains: "containing, without regard to case",
  starts: "starting with, without regard to case",
};

/** What a list can be asked by an audience: filters and orders of fields that it may read. */
export function listParameters(entity: EntityPlan, audience: Audience): readonly object[] {
  const members = entity.members.filter((field) => readable(field, audience) !== "never");
  const sorts = members.filter(({ sort }) => sort).map(({ name }) => name);
  return [
    query("limit", { type: "integer", minimum: 1, default: 100 }, "Records on the page; more than 1,000 are 1,000"),
    query("skip", { type: "integer", minimum: 0, maximum: 10_000, default: 0 }, "Records to leave out"),
    query("cursor", { type: "string" }, "`page.next` of the page before; with its filters and order, without `skip`"),
    listed(
      "sort",
      { type: "string", enum: sorts.flatMap((name) => [name, `-${name}`]) },
      "The order, `-` for descending; `id` breaks ties in the direction of the last one",
    ),
    query(
      "count",
      { type: "string", enum: ["none", "estimated", "exact"], default: "none" },
      "Whether `page.total` says how many there are on all pages; null where that takes too long",
    ),
    query("as_of", { type: "string", format: "date-time" }, "The list as it was then; not in the future"),
    ...(seesDeleted(entity, audience) === "never" ? [] : [deletedParameter(entity)]),
    ...recordParameters(entity, audience),
    ...members.filter(({ filter }) => filter).flatMap(filterParameters),
  ];
}

const deletedParameter = (entity: EntityPlan) =>
  query(
    "deleted",
    { type: "string", enum: ["include", "only"] },
    `Deleted records too, or alone, as far as the caller may restore them; each record then shows ${deletionStamps(
      entity,
    )
      .map((name) => `\`${name}\``)
      .join(" and ")}; not beside \`as_of\``,
  );

/** How much of a record is shown, and what along with it. */
export function recordParameters(entity: EntityPlan, audience: Audience): readonly object[] {
  const names = expandableOf(entity, audience).map(({ name }) => name);
  return [
    listed("fields", { type: "string" }, "The members to show, those inside others by a path; all without it"),
    ...(names.length === 0
      ? []
      : [listed("expand", { type: "string" }, `Records to show beside their references: ${names.join(", ")}`)]),
  ];
}

export const filterParameters = (field: FieldPlan): readonly object[] =>
  operatorsOf(field).map((op) => {
    const name = op === "eq" ? field.name : `${field.name}[${op}]`;
    const description = field.kind === "list" && op === "contains" ? "with the entry" : said[op];
    const words = `Those with \`${field.name}\` ${description}`;
    if (op === "in" || op === "nin") return listed(name, valueSchema(field), words);
    if (op === "is") return query(name, { type: "string", enum: ["null", "not_null"] }, words);
    return query(name, op === "starts" ? { type: "string" } : valueSchema(field), words);
  });

/** A value to compare with: of the field's type, without its bounds. */
function valueSchema(field: FieldPlan): Schema {
  if (field.name === "id") return idSchema(field.kind === "integer" ? "serial" : "uuid");
  const value = field.element ?? field;
  switch (value.kind) {
    case "text":
    case "email":
    case "url":
      return { type: "string" };
    case "integer":
      return { type: "integer" };
    case "decimal":
    case "money":
      return { type: "number" };
    default:
      return fieldSchema({ ...value, optional: false }, false);
  }
}
