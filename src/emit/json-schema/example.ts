import type { Json, JsonObject } from "../../kernel/json.ts";
import type { EntityPlan, FieldKind, FieldPlan, Plan } from "../../plan/plan.ts";
import { sentMembers } from "./field-schema.ts";

const moment = "2026-02-28T12:00:00.000Z";
const dayLater = "2026-03-01T12:00:00.000Z";
const someId = "01900000-0000-7000-8000-000000000001";

type Example = (field: FieldPlan, sent: boolean) => Json | undefined;

const number: Example = (field) =>
  field.default ?? (field.above === null ? (field.min ?? Math.min(1, field.max ?? 1)) : field.above + 1);

/** The field's own name as its value, `Promotion code`, no longer and no shorter than it may be. */
function words(field: FieldPlan): string | undefined {
  const name = field.name.replaceAll("_", " ");
  const text = (name.charAt(0).toUpperCase() + name.slice(1))
    .slice(0, field.max ?? undefined)
    .padEnd(field.min ?? 0, "x");
  return field.pattern === null || new RegExp(`^(?:${field.pattern})$`, "u").test(text) ? text : undefined;
}

const made: Record<FieldKind, Example> = {
  text: words,
  email: () => "person@example.com",
  url: (field) => `https://example.com/${field.name}`,
  password: (field) => "correct horse battery staple".slice(0, field.max ?? undefined).padEnd(field.min ?? 0, "x"),
  integer: number,
  decimal: number,
  money: number,
  boolean: (field) => field.default ?? true,
  instant: (field) => (field.after === null ? moment : dayLater),
  date: () => moment.slice(0, 10),
  uuid: () => someId,
  reference: (field) => (field.targetId === "serial" ? 1 : someId),
  enum: (field) => field.default ?? field.values[0],
  list: (field, sent) => {
    const entry = field.element === null ? undefined : fieldExample(field.element, sent);
    return entry === undefined ? undefined : Array.from({ length: Math.max(1, field.min ?? 0) }, () => entry);
  },
  object: (field, sent) => membersExample(sent ? sentMembers(field) : field.fields, sent),
};

/**
 * A value of the field: the declared example, or one made of its kind and limits.
 * @returns undefined where only the declaration could tell: a pattern without an example.
 */
export function fieldExample(field: FieldPlan, sent: boolean): Json | undefined {
  if (field.example !== null) return field.example;
  if (!sent && field.optional) return null;
  return made[field.kind](field, sent);
}

/** Every field that must be sent, and the others of which the declaration gives an example; all of them when shown. */
const membersExample: (fields: readonly FieldPlan[], sent: boolean) => JsonObject | undefined = (fields, sent) =>
  together(
    fields.filter((field) => !sent || !field.optional || field.example !== null),
    sent,
  );

function together(fields: readonly FieldPlan[], sent: boolean): JsonObject | undefined {
  const members: [string, Json][] = [];
  for (const field of fields) {
    const example = fieldExample(field, sent);
    if (example === undefined) return undefined;
    members.push([field.name, example]);
  }
  return Object.fromEntries(members);
}

/** An input that can be sent. @param part `one` field, as PATCH takes it; what is `needed`; or `all`. */
export function inputExample(fields: readonly FieldPlan[], part: "one" | "needed" | "all"): JsonObject | undefined {
  if (part === "needed") return membersExample(fields, true);
  if (part === "all") return together(fields, true);
  const changed = fields.find(({ kind }) => kind !== "reference") ?? fields[0];
  return together(changed === undefined ? [] : [changed], true);
}

/** The id of a record: one that a reference to the entity gives as its example, or one made up. */
export function someRecord({ entities }: Plan, { name, id }: EntityPlan): Json {
  const within = (field: FieldPlan): readonly FieldPlan[] => [
    field,
    ...[...field.fields, ...(field.element === null ? [] : [field.element])].flatMap(within),
  ];
  const referring = entities
    .flatMap(({ fields }) => fields.flatMap(within))
    .find(({ target, example }) => target === name && example !== null);
  return referring?.example ?? (id === "serial" ? 1 : someId);
}

/** A record as it is just after its creation: its later states are nobody's business. */
export function recordExample(entity: EntityPlan, shown: readonly FieldPlan[]): JsonObject | undefined {
  const members = together(shown, false);
  if (members === undefined) return undefined;
  return {
    id: entity.id === "serial" ? 1 : someId,
    ...(entity.lifecycle === null ? {} : { status: entity.lifecycle.initial }),
    ...members,
    version: 1,
    created_at: moment,
    updated_at: moment,
  };
}
