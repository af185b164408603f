import { exactNumber, isNumberText } from "./exact-number.ts";

/**
 * Gives a text without types, a form's or a CSV cell's, the type that was declared for it. What does not look like its
 * type stays text, and the check of the input says so.
 * @param serial whether a reference takes numbers
 */
export function typedText(kind: string | undefined, serial: boolean, text: string): unknown {
  switch (kind) {
    case "integer":
    case "decimal":
    case "money":
      return isNumberText(text) ? exactNumber(text) : text;
    case "reference":
      return serial && isNumberText(text) ? exactNumber(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    default:
      return text;
  }
}
