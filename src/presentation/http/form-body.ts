import { Refusal } from "../../kernel/refusal.ts";
import { typedText } from "../../kernel/typed-text.ts";

/** Key -> its values, in the order in which they were sent. */
export type FormPairs = ReadonlyMap<string, readonly string[]>;

/** What the coercion needs to know of a declared field. */
export interface FormField {
  readonly name: string;
  readonly kind: string;
  /** How the ids look that a reference takes; text unless `serial`. */
  readonly targetId?: "uuid" | "serial" | null;
  /** The entries of a list. */
  readonly element?: FormField | null;
}

const mostPairs = 1000;
/** How much of a key that the client sent is said back to it. */
const longestNamed = 64;

/**
 * The pairs of `application/x-www-form-urlencoded` text, as bodies and queries have it; nothing between two `&` is no
 * pair.
 * @throws Refusal `malformed` for an invalid escape, bytes that are no UTF-8, more than 1,000 pairs
 */
export function readPairs(text: string): readonly (readonly [name: string, value: string])[] {
  const pairs: [string, string][] = [];
  for (let start = 0; start < text.length; ) {
    const ampersand = text.indexOf("&", start);
    const end = ampersand < 0 ? text.length : ampersand;
    if (end > start) {
      if (pairs.length === mostPairs) {
        const detail = { en: `more than ${mostPairs} pairs`, ru: `больше ${mostPairs} пар` };
        throw new Refusal("malformed", { detail });
      }
      const part = text.slice(start, end);
      const equals = part.indexOf("=");
      pairs.push(equals < 0 ? [decoded(part), ""] : [decoded(part.slice(0, equals)), decoded(part.slice(equals + 1))]);
    }
    start = end + 1;
  }
  return pairs;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new Refusal("malformed", {
      detail: {
        en: "a %-escape is broken or its bytes are not UTF-8",
        ru: "последовательность % неверна или её байты не в UTF-8",
      },
    });
  }
}

/** Reads the text of a form. NUL is kept: it is a fault of a value. @throws Refusal `malformed` */
export function readForm(text: string): FormPairs {
  const pairs = new Map<string, string[]>();
  for (const [name, value] of readPairs(text)) {
    const values = pairs.get(name);
    if (values === undefined) pairs.set(name, [value]);
    else values.push(value);
  }
  return pairs;
}

/**
 * Gives the text of a form the types of the declared fields. What does not look like its type stays text, and the
 * check of the input says so; names that nobody declared stay as well.
 * @throws Refusal `malformed` for a single value given twice
 */
export function coerceForm(pairs: FormPairs, fields: readonly FormField[]): Readonly<Record<string, unknown>> {
  const members = [...pairs].map(([name, values]): [string, unknown] => {
    const field = fields.find((candidate) => candidate.name === name);
    if (field?.kind === "list") return [name, values.map((value) => coerced(field.element ?? null, value))];
    if (values.length > 1) {
      const named = name.slice(0, longestNamed);
      const detail = { en: `'${named}' is given twice`, ru: `'${named}' указано дважды` };
      throw new Refusal("malformed", { detail });
    }
    return [name, coerced(field ?? null, values[0] ?? "")];
  });
  // Unlike an assignment, this makes `__proto__` an ordinary member.
  return Object.fromEntries(members);
}

const coerced = (field: FormField | null, text: string): unknown =>
  typedText(field?.kind, field?.targetId === "serial", text);
