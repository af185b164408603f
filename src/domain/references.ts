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
export function referredBy(fields: readonly FieldPlan[], value: JsonObject, pointer = ""): readonly Referred[] {
  const found: Referred[] = [];
  addReferred(fields, value, pointer, found);
  return found;
}

function addReferred(fields: readonly FieldPlan[], value: JsonObject, pointer: string, found: Referred[]): void {
  for (const field of fields) {
    const held = value[field.name] ?? null;
    // Most values refer to nothing: no pointer is made for them.
    if (field.target !== null || typeof held === "object") addIn(field, held, pointTo(pointer, field.name), found);
  }
}

function addIn(field: FieldPlan, value: Json, pointer: string, found: Referred[]): void {
  if (value === null) return;
  if (field.target !== null) {
    const { target: entity, targetId, mayBeUnseen } = field;
    found.push({ entity, id: String(value), idKind: targetId ?? "uuid", pointer, mayBeUnseen });
  } else if (Array.isArray(value)) {
    const { element } = field;
    if (element === null) return;
    for (const [index, entry] of value.entries()) addIn(element, entry, pointTo(pointer, index), found);
  } else if (isObject(value)) {
    addReferred(field.fields, value as JsonObject, pointer, found); // an object inside Json is a JsonObject
  }
}
