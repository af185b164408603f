import { LRUCache } from "lru-cache";
import type { Fault } from "../../kernel/fault.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { readPairs } from "./form-body.ts";

export type Query = ReadonlyMap<string, string>;

const none: Query = new Map();
/** A URL is ASCII without spaces (RFC 3986); a server that guesses at other bytes is one of several that guess. */
const noUrl = /[^!-~]/;

/** The same URLs come again and again. What was understood of one is kept with its query by whoever understood it. */
const readBefore = new LRUCache<string, Query>({ maxSize: 500_000, sizeCalculation: (_, url) => 500 + url.length });

/** \`readQuery\` for an operation whose parameters the declaration tells: the same object for the same URL. */
export function readKnownQuery(url: string): Query {
  const before = readBefore.get(url);
  if (before !== undefined) return before;
  const query = readQuery(url);
  if (query.size > 0) readBefore.set(url, query);
  return query;
}

/**
 * Reads what follows the `?` of a request's URL. With `known`, also refuses every parameter that the operation does
 * not know, so that the caller learns of all faults at once; without it, `refuseUnknown` does so later.
 * @throws Refusal `malformed`; `invalid_query` for a parameter that is given twice, unknown or without a name
 */
export function readQuery(url: string, known?: readonly string[]): Query {
  const start = url.indexOf("?");
  if (start < 0 || start === url.length - 1) return none;
  const text = url.slice(start + 1);
  if (noUrl.test(text)) {
    throw malformed("the query holds characters that must be %-escaped", "в запросе символы, требующие %-записи");
  }
  const query = new Map<string, string>();
  const repeated = new Set<string>();
  for (const [name, value] of readPairs(text)) {
    if (name.includes("\0") || value.includes("\0")) throw malformed("a parameter holds NUL", "параметр содержит NUL");
    if (query.has(name)) repeated.add(name);
    else query.set(name, value);
  }
  refuse(
    [...query.keys()].flatMap((name): Fault[] => {
      if (name === "" || (known !== undefined && !known.includes(name))) return [unknown(name, known ?? [])];
      if (!repeated.has(name)) return [];
      return [{ parameter: name, code: "invalid_parameter", parameters: { expected: "must be given once" } }];
    }),
  );
  return query;
}

/** @throws Refusal `invalid_query` with a fault for each parameter that is not `known` */
export function refuseUnknown(query: Query, known: readonly string[]): void {
  const strangers = [...query.keys()].filter((name) => !known.includes(name));
  refuse(strangers.map((name) => unknown(name, known)));
}

function refuse(errors: readonly Fault[]): void {
  if (errors.length > 0) throw new Refusal("invalid_query", { errors });
}

function unknown(name: string, known: readonly string[]): Fault {
  const suggestion = name === "" ? undefined : nearest(name, known);
  return { parameter: name, code: "unknown_parameter", ...(suggestion === undefined ? {} : { suggestion }) };
}

const malformed = (en: string, ru: string): Refusal => new Refusal("malformed", { detail: { en, ru } });
