import { createHmac, timingSafeEqual } from "node:crypto";
import type { Fault } from "../../kernel/fault.ts";
import { isSerial, isUuid } from "../../kernel/identifier.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { EntityPlan } from "../../plan/plan.ts";
import { type Query, readQuery } from "./query-string.ts";

/** Which page of a list is wanted. */
export interface PageQuery {
  readonly skip: number;
  readonly limit: number;
  readonly after: string | null;
}

export const mostSkipped = 10_000;
export const largestPage = 1000;
export const usualPage = 100;

/** What of a list its cursors are bound to. */
export type PagedList = Pick<EntityPlan, "name" | "id">;

/** Cursors: the id to go on after, signed, so that nobody can build one and its form stays ours to change. */
export interface Cursors {
  make(entity: PagedList, after: string): string;
  read(entity: PagedList, cursor: string): string | null;
}

export function signedCursors(secret: string): Cursors {
  const sign = (entity: PagedList, after: string) =>
    createHmac("sha256", secret).update(`cursor/${entity.name}/id/${after}`).digest().subarray(0, 12);
  return {
    make: (entity, after) => Buffer.concat([sign(entity, after), Buffer.from(after)]).toString("base64url"),
    read: (entity, cursor) => {
      const bytes = Buffer.from(cursor, "base64url");
      if (bytes.length < 13 || bytes.toString("base64url") !== cursor) return null;
      const after = bytes.subarray(12).toString();
      const valid = entity.id === "serial" ? isSerial(after) : isUuid(after);
      return valid && timingSafeEqual(bytes.subarray(0, 12), sign(entity, after)) ? after : null;
    },
  };
}

/** Reads `skip`, `limit` and `cursor`. @throws Refusal `invalid_query` with every fault. */
export function readPageQuery(url: string, entity: PagedList, cursors: Cursors): PageQuery {
  const query = readQuery(url, ["skip", "limit", "cursor"]);
  const errors: Fault[] = [];
  const wrong = (parameter: string, expected: string) =>
    errors.push({ parameter, code: "invalid_parameter", parameters: { expected } });
  const skip = wholeNumber(query, "skip") ?? 0;
  const limit = wholeNumber(query, "limit") ?? usualPage;
  if (Number.isNaN(skip)) wrong("skip", "must be a whole number, 0 or more");
  else if (skip > mostSkipped) wrong("skip", `must be at most ${mostSkipped}; go further with \`cursor\``);
  if (Number.isNaN(limit) || limit === 0) wrong("limit", `must be a whole number from 1 to ${largestPage}`);
  const cursor = query.get("cursor");
  const after = cursor === undefined ? null : cursors.read(entity, cursor);
  if (cursor !== undefined && after === null) wrong("cursor", "must be a cursor that a list of these records gave");
  if (cursor !== undefined && query.has("skip")) wrong("skip", "cannot stand beside `cursor`");
  if (errors.length > 0) throw new Refusal("invalid_query", { errors });
  return { skip, limit: Math.min(limit, largestPage), after };
}

/** The number, NaN for anything else, undefined when the parameter was not sent. */
function wholeNumber(query: Query, name: string): number | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}
