import type { FieldKind, FieldPlan } from "../../plan/plan.ts";

/** A JSON Schema (draft 2020-12), as OpenAPI 3.1 takes it. */
export type Schema = Readonly<Record<string, unknown>>;

const bounds = (field: FieldPlan): Schema => ({
  ...(field.min === null ? {} : { minimum: field.min }),
  ...(field.above === null ? {} : { exclusiveMinimum: field.above }),
  ...(field.max === null ? {} : { maximum: field.max }),
});

const text = (field: FieldPlan): Schema => ({
  type: "string",
  ...(field.min === null ? {} : { minLength: field.min }),
  ...(field.max === null ? {} : { maxLength: field.max }),
  ...(field.pattern === null ? {} : { pattern: `^(?:${field.pattern})$` }),
});

const schemas: Record<FieldKind, (field: FieldPlan, sent: boolean) => Schema> = {
  text,
  email: (field) => ({ ...text(field), format: "email" }),
  url: (field) => ({ ...text(field), format: "uri" }),
  password: (field) => ({ ...text(field), format: "password", writeOnly: true }),
  integer: (field) => ({ type: "integer", ...bounds(field) }),
  decimal: (field) => ({ type: "number", ...bounds(field) }),
  money: (field) => ({ type: "number", ...bounds(field) }),
  boolean: () => ({ type: "boolean" }),
  instant: () => ({ type: "string", format: "date-time" }),
  date: () => ({ type: "string", format: "date" }),
  uuid: () => ({ type: "string", format: "uuid" }),
  reference: (field) =>
    field.targetId === "serial" ? { type: "integer", minimum: 1 } : { type: "string", format: "uuid" },
  enum: (field) => ({ type: "string", enum: field.values }),
  list: (field, sent) => ({
    type: "array",
    ...(field.element === null ? {} : { items: fieldSchema(field.element, sent) }),
    ...(field.min === null ? {} : { minItems: field.min }),
    ...(field.max === null ? {} : { maxItems: field.max }),
  }),
  object: (field, sent) =>
    inputSchema(sent ? field.fields.filter(({ setBy }) => setBy !== "system") : field.fields, sent, false),
};

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
