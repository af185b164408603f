import type { FieldKind, FieldPlan } from "../../plan/plan.ts";

/** A JSON Schema (draft 2020-12), as OpenAPI 3.1 takes it. */
export type Schema = Readonly<Record<string, unknown>>;

/** What a column of 15 digits holds, so many of them after the point. */
const largest = ({ kind, places }: FieldPlan): number =>
  kind === "integer" ? Number.MAX_SAFE_INTEGER : Number(`${"9".repeat(15 - places)}.${"9".repeat(places)}`);

/** The declared bounds, and those of the column. Places are not said: `multipleOf` fails on doubles (0.07 / 0.01). */
const bounds = (field: FieldPlan): Schema => ({
  ...(field.above === null
    ? { minimum: Math.max(field.min ?? Number.NEGATIVE_INFINITY, -largest(field)) }
    : { ...(field.min === null ? {} : { minimum: field.min }), exclusiveMinimum: field.above }),
  maximum: Math.min(field.max ?? Number.POSITIVE_INFINITY, largest(field)),
});

const text = (field: FieldPlan): Schema => ({
  type: "string",
  ...(field.min === null ? {} : { minLength: field.min }),
  ...(field.max === null ? {} : { maxLength: field.max }),
  ...(field.pattern === null ? {} : { pattern: `^(?:${field.pattern})$` }),
});

const serial: Schema = { type: "integer", minimum: 1, maximum: Number.MAX_SAFE_INTEGER };
const uuid: Schema = { type: "string", format: "uuid" };

/** The id of a record. */
export const idSchema = (id: "uuid" | "serial"): Schema => (id === "serial" ? serial : uuid);

const schemas: Record<FieldKind, (field: FieldPlan, sent: boolean) => Schema> = {
  text,
  // The formats describe, as the draft has it; the patterns are what is checked: international addresses pass.
  email: (field) => ({ ...text(field), format: "email", pattern: "^[^\\s@]+@[^\\s@]+$" }),
  url: (field) => ({ ...text(field), format: "uri", pattern: "^[Hh][Tt][Tt][Pp][Ss]://\\S+$" }),
  password: (field) => ({ ...text(field), format: "password", writeOnly: true }),
  integer: (field) => ({ type: "integer", ...bounds(field) }),
  decimal: (field) => ({ type: "number", ...bounds(field) }),
  money: (field) => ({ type: "number", ...bounds(field) }),
  boolean: () => ({ type: "boolean" }),
  instant: () => ({ type: "string", format: "date-time" }),
  date: () => ({ type: "string", format: "date" }),
  uuid: () => uuid,
  reference: (field) => idSchema(field.targetId ?? "uuid"),
  // The words of an enum that only the server decides are like states: their list is nobody's business.
  enum: (field, sent) => ({
    type: "string",
    ...(sent || field.setBy !== "system" ? { enum: field.values } : {}),
  }),
  list: (field, sent) => ({
    type: "array",
    ...(field.element === null ? {} : { items: fieldSchema(field.element, sent) }),
    ...(field.min === null ? {} : { minItems: field.min }),
    ...(field.max === null ? {} : { maxItems: field.max }),
  }),
  object: (field, sent) => inputSchema(sent ? sentMembers(field) : field.fields, sent, false),
};

/** The members of a nested object that a client sends. */
export const sentMembers = (field: FieldPlan): readonly FieldPlan[] =>
  field.fields.filter(({ setBy }) => setBy === "client" || setBy === "create");

/** The schema of one field. @param sent as a client sends it, or as a record shows it. */
export function fieldSchema(field: FieldPlan, sent: boolean): Schema {
  const schema = schemas[field.kind](field, sent);
  const withDefault = sent && field.default !== null ? { ...schema, default: field.default } : schema;
  if (!field.optional) return withDefault;
  return typeof schema.type === "string" && schema.enum === undefined
    ? { ...withDefault, type: [schema.type, "null"] }
    : { anyOf: [withDefault, { type: "null" }] };
}

/** The schema of an input: exactly these fields. @param partial all of them may be missing (PATCH). */
export const inputSchema = (fields: readonly FieldPlan[], sent: boolean, partial: boolean): Schema => {
  const required = fields.filter((field) => !(sent && (partial || field.optional || field.default !== null)));
  return {
    type: "object",
    properties: Object.fromEntries(fields.map((field) => [field.name, fieldSchema(field, sent)])),
    ...(required.length === 0 ? {} : { required: required.map(({ name }) => name) }),
    additionalProperties: false,
  };
};
