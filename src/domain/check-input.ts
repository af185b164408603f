import type { Fault } from "../kernel/fault.ts";
import type { Json, JsonObject } from "../kernel/json.ts";
import { canonicalJson, isObject } from "../kernel/json.ts";
import type { ActionPlan, EntityPlan } from "../plan/plan.ts";
import { checkValue, refuseOthers } from "./check-value.ts";
import { pointTo } from "./pointer.ts";

/** The members of every record, which no client ever decides. */
const stamps = ["id", "version", "created_at", "updated_at", "deleted_at"];

export interface CheckedInput {
  /** The values in the form in which they are stored: every field of the action, `null` where nothing was sent. */
  readonly value: JsonObject;
  readonly faults: readonly Fault[];
}

/**
 * Checks what a client sent for an action, all faults at once.
 * @param state the record, for a PATCH (`partial`) or PUT, in which a client may send back what it read.
 * @param partial take only what is sent; otherwise what is missing gets its default, or is a fault.
 */
export function checkInput(
  entity: EntityPlan,
  action: ActionPlan,
  sent: unknown,
  state: JsonObject | null,
  partial: boolean,
): CheckedInput {
  if (!isObject(sent))
    return { value: {}, faults: [{ pointer: "", code: "type", parameters: { expected: "an object" } }] };
  const faults: Fault[] = [];
  const owned = (name: string) =>
    stamps.includes(name) ||
    (name === "status" && entity.lifecycle !== null) ||
    entity.fields.some((field) => field.name === name && (field.setBy === "system" || field.setBy === "actor"));
  const echoed = action.kind === "update" && state !== null ? withoutEchoes(sent, state, action) : sent;
  refuseOthers(echoed, action.input, owned, "", faults);
  const value: Record<string, Json> = {};
  for (const field of action.input) {
    const given = Object.hasOwn(echoed, field.name);
    if (!given && partial) continue;
    value[field.name] = checkValue(field, given ? echoed[field.name] : field.default, pointTo("", field.name), faults);
  }
  if (faults.length === 0 && entity.fields.some(({ after }) => after !== null)) {
    faults.push(...orderFaults(entity, value, state));
  }
  return { value, faults };
}

/** In PATCH and PUT a client may send back what it read, as long as it is still so. */
function withoutEchoes(
  sent: Readonly<Record<string, unknown>>,
  state: JsonObject,
  action: ActionPlan,
): Readonly<Record<string, unknown>> {
  const taken = action.input.map(({ name }) => name);
  return Object.fromEntries(
    Object.entries(sent).filter(([name, value]) => {
      if (taken.includes(name) || !Object.hasOwn(state, name)) return true;
      const stored = state[name] ?? null;
      return !isJson(value) || canonicalJson(value) !== canonicalJson(stored);
    }),
  );
}

/** What the reader made of a JSON body is JSON, unless an inexact number stands in it. */
const isJson = (value: unknown): value is Json =>
  value === null ||
  ["string", "number", "boolean"].includes(typeof value) ||
  (Array.isArray(value)
    ? value.every(isJson)
    : isObject(value) && Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every(isJson));

/** Instants that must follow others. */
function orderFaults(entity: EntityPlan, value: JsonObject, state: JsonObject | null): readonly Fault[] {
  const now: JsonObject = { ...state, ...value };
  return entity.fields.flatMap((field): readonly Fault[] => {
    const [later, earlier] = [now[field.name], now[field.after ?? ""]];
    if (field.after === null || typeof later !== "string" || typeof earlier !== "string") return [];
    const touched = Object.hasOwn(value, field.name) || Object.hasOwn(value, field.after);
    return touched && later <= earlier
      ? [{ pointer: pointTo("", field.name), code: "after", parameters: { field: field.after } }]
      : [];
  });
}
