import { exactNumber, isNumberText } from "../../kernel/exact-number.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { FieldPlan } from "../../plan/plan.ts";

export type FormPairs = ReadonlyMap<string, readonly string[]>;

const mostPairs = 1000;

/** One key or value of a form or a query: `+` is a space. @throws Refusal `malformed` */
export function decodeComponent(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new Refusal("malformed", {
      detail: { en: "a %-escape is not UTF-8", ru: "последовательность % не является UTF-8" },
    });
  }
}

/** Reads `application/x-www-form-urlencoded`. @throws Refusal `malformed` */
export function readForm(text: string): FormPairs {
  const pairs = new Map<string, string[]>();
  if (text === "") return pairs;
  const parts = text.split("&");
  if (parts.length > mostPairs) {
    throw new Refusal("malformed", {
      detail: { en: `more than ${mostPairs} pairs`, ru: `больше ${mostPairs} пар` },
    });
  }
  for (const part of parts) {
    const equals = part.indexOf("=");
    const key = decodeComponent(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? "" : decodeComponent(part.slice(equals + 1));
    const values = pairs.get(key);
    if (values === undefined) pairs.set(key, [value]);
    else values.push(value);
  }
  return pairs;
}

/**
 * Gives the text of a form the types of the declared fields. What does not look like its type stays text, and the
 * check of the input says so.
 * @throws Refusal `malformed` for a single value given twice.
 */
export function coerceForm(pairs: FormPairs, fields: readonly FieldPlan[]): Readonly<Record<string, unknown>> {
  const members = [...pairs].map(([name, values]): [string, unknown] => {
    const field = fields.find((candidate) => candidate.name === name);
    if (field?.kind === "list") return [name, values.map((value) => coerce(field.element, value))];
    if (values.length > 1) {
      const detail = { en: `'${name}' is given twice`, ru: `'${name}' указано дважды` };
      throw new Refusal("malformed", { detail });
    }
    return [name, coerce(field ?? null, values[0] ?? "")];
  });
  return Object.fromEntries(members);
}

function coerce(field: FieldPlan | null, text: string): unknown {
  switch (field?.kind) {
    case "integer":
    case "decimal":
    case "money":
      return isNumberText(text) ? exactNumber(text) : text;
    case "reference":
      return field.targetId === "serial" && isNumberText(text) ? exactNumber(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    default:
      return text;
  }
}
