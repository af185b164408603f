import type { Fault } from "../../kernel/fault.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { decodeComponent } from "./form-body.ts";

export type Query = ReadonlyMap<string, string>;

const none: Query = new Map();

/**
 * Reads what follows the `?` of a request's URL and refuses every parameter that the operation does not know.
 * @throws Refusal `malformed`, `invalid_query`
 */
export function readQuery(url: string, known: readonly string[]): Query {
  const start = url.indexOf("?");
  if (start < 0 || start === url.length - 1) return none;
  const query = new Map<string, string>();
  const errors: Fault[] = [];
  for (const part of url.slice(start + 1).split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = decodeComponent(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? "" : decodeComponent(part.slice(equals + 1));
    if (name.includes("\0") || value.includes("\0")) {
      throw new Refusal("malformed", { detail: { en: "a parameter holds NUL", ru: "параметр содержит NUL" } });
    }
    if (!known.includes(name)) {
      const suggestion = nearest(name, known);
      errors.push({ parameter: name, code: "unknown_parameter", ...(suggestion === undefined ? {} : { suggestion }) });
    } else if (query.has(name)) {
      errors.push({ parameter: name, code: "invalid_parameter", parameters: { expected: "give it once" } });
    }
    query.set(name, value);
  }
  if (errors.length > 0) throw new Refusal("invalid_query", { errors });
  return query;
}
