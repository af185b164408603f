import type { Fault } from "../kernel/fault.ts";
import { readIdentifier } from "../kernel/identifier.ts";
import { isObject } from "../kernel/json.ts";
import { nearest } from "../kernel/suggestion.ts";
import type { ActionPlan, EntityPlan } from "../plan/plan.ts";
import { pointTo } from "./pointer.ts";

/** All or nothing, or each item by itself. */
export const bulkModes = ["atomic", "partial"] as const;
export type BulkMode = (typeof bulkModes)[number];

export const mostItems = 1000;

/** One item, with what says which record it means taken off. */
export interface BulkItem {
  /** The record to change; null for a creation. */
  readonly id: string | null;
  /** The version that it must have; null where any will do. */
  readonly version: number | null;
  readonly input: unknown;
  /** Why nobody can say which record is meant. */
  readonly faults: readonly Fault[];
}

export interface CheckedBulk {
  readonly mode: BulkMode;
  readonly items: readonly BulkItem[];
  /** What is wrong with the call as a whole. */
  readonly faults: readonly Fault[];
}

const members = ["mode", "items"];
const fault = (pointer: string, code: Fault["code"], parameters?: Fault["parameters"]): Fault => ({
  pointer,
  code,
  ...(parameters === undefined ? {} : { parameters }),
});

/** Checks what stands around the items, and which records they mean; the rest of each is checked like a single call. */
export function checkBulk(entity: EntityPlan, action: ActionPlan, sent: unknown): CheckedBulk {
  if (!isObject(sent)) return { mode: "atomic", items: [], faults: [fault("", "type", { expected: "an object" })] };
  const mode = Object.hasOwn(sent, "mode") ? sent.mode : "atomic";
  const list = Object.hasOwn(sent, "items") ? sent.items : undefined;
  const faults = [
    ...Object.keys(sent)
      .filter((name) => !members.includes(name))
      .map((name): Fault => {
        const suggestion = nearest(name, members);
        return { ...fault(pointTo("", name), "unknown_field"), ...(suggestion === undefined ? {} : { suggestion }) };
      }),
    ...(isMode(mode) ? [] : [fault("/mode", "enum", { values: bulkModes.join(", ") })]),
    ...listFaults(list),
  ];
  if (faults.length > 0 || !Array.isArray(list) || !isMode(mode)) return { mode: "atomic", items: [], faults };
  const items = list.map((item: unknown) => itemOf(entity, action, item));
  return { mode, items, faults: repeatedIds(items, readIdentifier(entity.id, "")) };
}

const isMode = (mode: unknown): mode is BulkMode => bulkModes.some((known) => known === mode);

function listFaults(list: unknown): readonly Fault[] {
  if (list === undefined) return [fault("/items", "required")];
  if (!Array.isArray(list)) return [fault("/items", "type", { expected: "a list" })];
  if (list.length === 0) return [fault("/items", "min_items", { limit: 1 })];
  return list.length > mostItems ? [fault("/items", "max_items", { limit: mostItems })] : [];
}

function itemOf(entity: EntityPlan, action: ActionPlan, item: unknown): BulkItem {
  if (action.kind === "create" || !isObject(item)) {
    const faults = isObject(item) ? [] : [fault("", "type", { expected: "an object" })];
    return { id: null, version: null, input: item, faults };
  }
  const { id, version, ...input } = item;
  const faults: Fault[] = [];
  const expected = entity.id === "serial" ? "number" : "string";
  if (id === undefined || id === null) faults.push(fault("/id", "required"));
  else if (typeof id !== expected) {
    faults.push(fault("/id", "type", { expected: entity.id === "serial" ? "a whole number" : "text" }));
  }
  const isVersion = typeof version === "number" && Number.isInteger(version) && version > 0;
  if (version !== undefined && !isVersion)
    faults.push(fault("/version", "type", { expected: "a whole number above 0" }));
  return { id: readIdentifier(entity.id, String(id)), version: isVersion ? version : null, input, faults };
}

/**
 * The second of two changes of one record would be made on a state that its sender has not seen.
 * @param nothing what is read for an id that cannot be one
 */
function repeatedIds(items: readonly BulkItem[], nothing: string): readonly Fault[] {
  const seen = new Set<string>();
  return items.flatMap(({ id, faults }, index) => {
    if (id === null || id === nothing || faults.length > 0) return [];
    if (seen.has(id)) return [fault(`/items/${index}/id`, "repeated")];
    seen.add(id);
    return [];
  });
}
