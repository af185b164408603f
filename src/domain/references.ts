import type { Json, JsonObject } from "../kernel/json.ts";
import { isObject } from "../kernel/json.ts";
import type { FieldPlan } from "../plan/plan.ts";
import { pointTo } from "./pointer.ts";

export interface Referred {
  readonly entity: string;
  readonly id: string;
  /** How the ids of its entity look. */
  readonly idKind: "uuid" | "serial";
  readonly pointer: string;
  readonly mayBeUnseen: boolean;
}

/** Every record that a value refers to, with its place. */
export const referredBy = (fields: readonly FieldPlan[], value: JsonObject, pointer = ""): readonly Referred[] =>
  fields.flatMap((field) => referredIn(field, value[field.name] ?? null, pointTo(pointer, field.name)));

function referredIn(field: FieldPlan, value: Json, pointer: string): readonly Referred[] {
  if (value === null) return [];
  if (field.target !== null)
    return [
      {
        entity: field.target,
        id: String(value),
        idKind: field.targetId ?? "uuid",
        pointer,
        mayBeUnseen: field.mayBeUnseen,
      },
    ];
  if (Array.isArray(value)) {
    const { element } = field;
    return element === null ? [] : value.flatMap((entry, index) => referredIn(element, entry, pointTo(pointer, index)));
  }
  return isObject(value) ? referredBy(field.fields, value as JsonObject, pointer) : []; // an object inside Json is a JsonObject
}
