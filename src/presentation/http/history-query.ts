import { createHmac, timingSafeEqual } from "node:crypto";
import type { Fault } from "../../kernel/fault.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { HistoryPage } from "../../services/history-service.ts";
import { largestPage, mostSkipped, usualPage } from "./page-query.ts";
import { type Query, readQuery } from "./query-string.ts";

/** What a cursor of a history belongs to. */
export interface HistoryOf {
  readonly entity: string;
  /** The record as the path names it. */
  readonly id: string;
  readonly newestFirst: boolean;
}

/** Cursors of histories: the version to go on from, signed, bound to the record and the order. */
export interface HistoryCursors {
  make(of: HistoryOf, version: number): string;
  read(of: HistoryOf, cursor: string): number | null;
}

export function signedHistoryCursors(secret: string): HistoryCursors {
  const sign = ({ entity, id, newestFirst }: HistoryOf, version: string) =>
    createHmac("sha256", secret)
      .update(JSON.stringify(["history", entity, id, newestFirst, version]))
      .digest()
      .subarray(0, 12);
  return {
    make: (of, version) =>
      Buffer.concat([sign(of, String(version)), Buffer.from(String(version))]).toString("base64url"),
    read: (of, cursor) => {
      const bytes = Buffer.from(cursor, "base64url");
      const version = bytes.subarray(12).toString();
      if (bytes.toString("base64url") !== cursor || !/^[1-9]\d{0,9}$/.test(version)) return null;
      return timingSafeEqual(bytes.subarray(0, 12), sign(of, version)) ? Number(version) : null;
    },
  };
}

/** Reads which page of a history is wanted. @throws Refusal `invalid_query` with every fault. */
export function readHistoryQuery(url: string, entity: string, id: string, cursors: HistoryCursors): HistoryPage {
  const query = readQuery(url, ["order", "limit", "skip", "cursor"]);
  const errors: Fault[] = [];
  const wrong = (parameter: string, expected: string) =>
    errors.push({ parameter, code: "invalid_parameter", parameters: { expected } });
  const order = query.get("order") ?? "asc";
  if (order !== "asc" && order !== "desc") wrong("order", "must be `asc` or `desc`");
  const newestFirst = order === "desc";
  const skip = wholeNumber(query, "skip", 0);
  const limit = wholeNumber(query, "limit", usualPage);
  if (Number.isNaN(skip)) wrong("skip", "must be a whole number, 0 or more");
  else if (skip > mostSkipped) wrong("skip", `must be at most ${mostSkipped}; go further with \`cursor\``);
  if (!(limit > 0)) wrong("limit", `must be a whole number from 1 to ${largestPage}`);
  const cursor = query.get("cursor");
  const beyond = cursor === undefined ? null : cursors.read({ entity, id, newestFirst }, cursor);
  if (cursor !== undefined && beyond === null) {
    wrong("cursor", "must be a cursor that this history gave, in the same order");
  }
  if (cursor !== undefined && query.has("skip")) wrong("skip", "cannot stand beside `cursor`");
  if (errors.length > 0) throw new Refusal("invalid_query", { errors });
  return { newestFirst, beyond, skip, limit: Math.min(limit, largestPage) };
}

/** The number, NaN for anything else. */
function wholeNumber(query: Query, name: string, usual: number): number {
  const text = query.get(name);
  if (text === undefined) return usual;
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}
