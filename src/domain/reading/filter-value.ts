import { exactNumber, isNumberText } from "../../kernel/exact-number.ts";
import { isSerial, isUuid } from "../../kernel/identifier.ts";
import { nearest } from "../../kernel/suggestion.ts";
import type { FieldPlan } from "../../plan/plan.ts";
import { instantOf, isDate } from "../check-value.ts";

/** A value in the form in which the database reads it, or what it should have been. */
export type ReadValue =
  | { readonly value: string }
  | { readonly value: null; readonly expected: string; readonly suggestion?: string };

const wrong = (expected: string, suggestion?: string): ReadValue => ({
  value: null,
  expected,
  ...(suggestion === undefined ? {} : { suggestion }),
});

/** Reads the text of a filter's value, as strictly as a form: what is no value of the field is refused, not converted. */
export function readValue(field: FieldPlan, text: string): ReadValue {
  switch (field.kind) {
    case "integer": {
      const number = isNumberText(text) ? exactNumber(text) : null;
      return Number.isSafeInteger(number) ? { value: String(number) } : wrong("must be a whole number");
    }
    case "decimal":
    case "money": {
      const number = isNumberText(text) ? exactNumber(text) : null;
      return typeof number === "number"
        ? { value: String(number) }
        : wrong("must be a number of at most 15 significant digits");
    }
    case "boolean":
      return text === "true" || text === "false" ? { value: text } : wrong("must be true or false");
    case "instant": {
      const moment = instantOf(text);
      return moment === null
        ? wrong("must be a moment with an offset, 2026-02-28T12:00:00Z; a + is written %2B")
        : { value: moment };
    }
    case "date":
      return isDate(text) ? { value: text } : wrong("must be a date, 2026-02-28");
    case "enum":
      if (field.values.includes(text)) return { value: text };
      // The words that the server decides, states for one, are nobody's to list.
      return field.setBy === "system"
        ? wrong("must be a value that the field can have")
        : wrong(`must be one of: ${field.values.join(", ")}`, nearest(text, field.values));
    case "reference":
      if (field.targetId === "serial") {
        return isSerial(text) ? { value: text } : wrong("must be a positive whole number");
      }
      return isUuid(text) ? { value: text.toLowerCase() } : wrong("must be a UUID");
    case "uuid":
      return isUuid(text) ? { value: text.toLowerCase() } : wrong("must be a UUID");
    case "list":
      return field.element === null ? wrong("must be an element") : readValue(field.element, text);
    default:
      return { value: text };
  }
}

/** The values of `in` and `nin`: commas between them, `\,` for one inside. */
export const valuesIn = (text: string): readonly string[] =>
  [...text.matchAll(/(?:^|,)((?:\\,|[^,])*)/g)].map(([, value = ""]) => value.replaceAll("\\,", ","));
