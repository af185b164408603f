import { InexactNumber } from "../kernel/exact-number.ts";
import type { Fault, FaultCode } from "../kernel/fault.ts";
import { isSerial, isUuid } from "../kernel/identifier.ts";
import type { Json, JsonObject } from "../kernel/json.ts";
import { isObject } from "../kernel/json.ts";
import { nearest } from "../kernel/suggestion.ts";
import type { FieldKind, FieldPlan } from "../plan/plan.ts";
import { pointTo } from "./pointer.ts";

/** Collects what is wrong with a value, and where. */
export type Report = (code: FaultCode, parameters?: Fault["parameters"], at?: string, suggestion?: string) => void;

type Check = (field: FieldPlan, value: unknown, pointer: string, faults: Fault[]) => Json;

export const reporter =
  (pointer: string, faults: Fault[]): Report =>
  (code, parameters, at = pointer, suggestion) => {
    faults.push({
      pointer: at,
      code,
      ...(parameters === undefined ? {} : { parameters }),
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  };

const checks: Record<FieldKind, Check> = {
  text: checkText,
  email: matching(/^[^\s@]+@[^\s@]+$/u, "an e-mail address"),
  url: (field, value, pointer, faults) => {
    const text = checkText(field, value, pointer, faults);
    if (typeof text === "string" && !(/^https:\/\/[^\s]+$/iu.test(text) && URL.canParse(text))) {
      reporter(pointer, faults)("format", { expected: "an https address" });
    }
    return text;
  },
  password: checkText,
  uuid: checkUuid,
  reference: (field, value, pointer, faults) =>
    field.targetId === "serial" ? checkSerial(value, pointer, faults) : checkUuid(field, value, pointer, faults),
  enum: (field, value, pointer, faults) => {
    if (typeof value === "string" && field.values.includes(value)) return value;
    const parameters = { values: field.values.join(", ") };
    reporter(pointer, faults)(
      "enum",
      parameters,
      pointer,
      typeof value === "string" ? nearest(value, field.values) : undefined,
    );
    return null;
  },
  integer: checkNumber,
  decimal: checkNumber,
  money: checkNumber,
  boolean: (_, value, pointer, faults) => {
    if (typeof value === "boolean") return value;
    reporter(pointer, faults)("type", { expected: "true or false" });
    return null;
  },
  instant: (_, value, pointer, faults) => {
    const moment = typeof value === "string" ? instantOf(value) : null;
    if (moment === null) {
      reporter(pointer, faults)("format", {
        expected: "a moment with an offset, at most milliseconds: 2026-02-28T12:00:00Z",
      });
    }
    return moment;
  },
  date: (_, value, pointer, faults) => {
    if (typeof value === "string" && isDate(value)) return value;
    reporter(pointer, faults)("format", { expected: "a day: 2026-02-28" });
    return null;
  },
  list: (field, value, pointer, faults) => {
    const report = reporter(pointer, faults);
    if (!Array.isArray(value)) {
      report("type", { expected: "a list" });
      return null;
    }
    if (field.min !== null && value.length < field.min) report("min_items", { limit: field.min });
    if (field.max !== null && value.length > field.max) {
      report("max_items", { limit: field.max });
      return null;
    }
    const { element } = field;
    return element === null
      ? []
      : value.map((entry, index) => checkValue(element, entry, pointTo(pointer, index), faults));
  },
  object: (field, value, pointer, faults) => {
    if (isObject(value)) return checkMembers(field.fields, value, pointer, faults);
    reporter(pointer, faults)("type", { expected: "an object" });
    return null;
  },
};

/** Checks a body that belongs to no record: an object with exactly these members, all faults at once. */
export function checkBody(
  body: FieldPlan,
  sent: unknown,
): { readonly value: JsonObject; readonly faults: readonly Fault[] } {
  if (!isObject(sent)) return { value: {}, faults: [notAnObject] };
  const faults: Fault[] = [];
  return { value: checkMembers(body.fields, sent, "", faults), faults };
}

const notAnObject: Fault = { pointer: "", code: "type", parameters: { expected: "an object" } };

/** Checks one value against its field and gives it back in the form in which it is stored. */
export function checkValue(field: FieldPlan, value: unknown, pointer: string, faults: Fault[]): Json {
  if (value === null || value === undefined) {
    if (!field.optional) reporter(pointer, faults)("required");
    return null;
  }
  return checks[field.kind](field, value, pointer, faults);
}

/** The members of a nested object: those that the client owns. */
function checkMembers(
  fields: readonly FieldPlan[],
  value: Readonly<Record<string, unknown>>,
  pointer: string,
  faults: Fault[],
): JsonObject {
  const sent = fields.filter(({ setBy }) => setBy === "client" || setBy === "create");
  refuseOthers(value, sent, (name) => fields.some((field) => field.name === name), pointer, faults);
  return Object.fromEntries(
    sent.map((field) => [
      field.name,
      checkValue(
        field,
        Object.hasOwn(value, field.name) ? value[field.name] : field.default,
        pointTo(pointer, field.name),
        faults,
      ),
    ]),
  );
}

/** Reports every member that the operation does not take. */
export function refuseOthers(
  value: Readonly<Record<string, unknown>>,
  taken: readonly FieldPlan[],
  isServerOwned: (name: string) => boolean,
  pointer: string,
  faults: Fault[],
): void {
  const names = taken.map(({ name }) => name);
  for (const name of Object.keys(value)) {
    if (names.includes(name)) continue;
    const owned = isServerOwned(name);
    reporter(pointer, faults)(
      owned ? "server_owned" : "unknown_field",
      undefined,
      pointTo(pointer, name),
      owned ? undefined : nearest(name, names),
    );
  }
}

function checkText(field: FieldPlan, value: unknown, pointer: string, faults: Fault[]): Json {
  const report = reporter(pointer, faults);
  if (typeof value !== "string") {
    report("type", { expected: "text" });
    return null;
  }
  if (value.includes("\0") || !value.isWellFormed()) {
    report("text");
    return null;
  }
  const length = codePoints(value, field.max);
  if (field.min !== null && length < field.min) report("min_length", { limit: field.min });
  if (field.max !== null && length > field.max) report("max_length", { limit: field.max });
  else if (field.pattern !== null && !new RegExp(`^(?:${field.pattern})$`, "u").test(value)) {
    report("pattern", { pattern: field.pattern });
  }
  return value;
}

function codePoints(text: string, enough: number | null): number {
  if (enough !== null && text.length > enough * 2) return text.length;
  let pairs = 0;
  // The text is well-formed: each high surrogate has its low one.
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xd800) pairs++;
  return text.length - pairs;
}

function matching(pattern: RegExp, expected: string): Check {
  return (field, value, pointer, faults) => {
    const text = checkText(field, value, pointer, faults);
    if (typeof text === "string" && !pattern.test(text)) reporter(pointer, faults)("format", { expected });
    return text;
  };
}

function checkUuid(_: FieldPlan, value: unknown, pointer: string, faults: Fault[]): Json {
  if (typeof value === "string" && isUuid(value)) return value.toLowerCase();
  reporter(pointer, faults)("format", { expected: "a UUID" });
  return null;
}

function checkSerial(value: unknown, pointer: string, faults: Fault[]): Json {
  if (typeof value === "number" && isSerial(String(value))) return value;
  reporter(pointer, faults)("type", { expected: "a positive whole number" });
  return null;
}

function checkNumber(field: FieldPlan, value: unknown, pointer: string, faults: Fault[]): Json {
  const report = reporter(pointer, faults);
  if (value instanceof InexactNumber) {
    report("inexact");
    return null;
  }
  if (typeof value !== "number") {
    report("type", { expected: field.kind === "integer" ? "a whole number" : "a number" });
    return null;
  }
  if (field.kind === "integer" && !Number.isInteger(value)) report("type", { expected: "a whole number" });
  else if (field.kind === "integer" && !Number.isSafeInteger(value)) report("inexact");
  else if (placesOf(value) > field.places) report("places", { limit: field.places });
  if (field.min !== null && value < field.min) report("min", { limit: field.min });
  if (field.above !== null && value <= field.above) report("above", { limit: field.above });
  const most = Math.min(field.max ?? Number.POSITIVE_INFINITY, largest(field));
  if (value > most) report("max", { limit: most });
  else if (value < -largest(field)) report("min", { limit: -largest(field) });
  return value;
}

/** What a column of 15 digits holds, so many of them after the point. */
export const largest = (field: FieldPlan): number =>
  field.kind === "integer" ? Number.MAX_SAFE_INTEGER : (largestOf[field.places] ?? 0);

const largestOf = Array.from({ length: 16 }, (_, places) => Number(`${"9".repeat(15 - places)}.${"9".repeat(places)}`));

function placesOf(value: number): number {
  if (Number.isInteger(value)) return 0;
  const text = String(value);
  if (!text.includes("e")) return text.includes(".") ? text.length - text.indexOf(".") - 1 : 0;
  const [mantissa = "", exponent = "0"] = text.split("e");
  return Math.max(0, (mantissa.split(".")[1]?.length ?? 0) - Number(exponent));
}

const moment =
  /^(\d{4}-\d{2}-\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,3}0*)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** A moment (RFC 3339 § 5.6) in UTC with milliseconds, or null. */
export function instantOf(text: string): string | null {
  const day = moment.exec(text)?.[1];
  if (day === undefined || !isDate(day)) return null;
  const time = new Date(text.toUpperCase());
  const year = time.getUTCFullYear();
  return Number.isNaN(time.getTime()) || year < 1 || year > 9999 ? null : time.toISOString();
}

export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text.startsWith("0000")) return false;
  const time = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text);
}
