import type { Fault } from "./fault.ts";

/** Which part of a list is wanted. */
export interface PageSize {
  readonly skip: number;
  readonly limit: number;
}

const mostSkipped = 10_000;
export const largestPage = 1000;
const usualPage = 100;

/** The parameters that `readPageSize` reads or looks at. */
export const pageParameters = ["skip", "limit", "cursor"] as const;

/** Reads `skip` and `limit` of any list; `faults` has what is wrong with them. A larger page than the largest is that one. */
export function readPageSize(parameters: ReadonlyMap<string, string>, faults: Fault[]): PageSize {
  const wrong = (parameter: string, expected: string) =>
    faults.push({ parameter, code: "invalid_parameter", parameters: { expected } });
  const skip = wholeNumber(parameters.get("skip") ?? "0");
  const limit = wholeNumber(parameters.get("limit") ?? String(usualPage));
  if (Number.isNaN(skip)) wrong("skip", "must be a whole number, 0 or more");
  else if (skip > mostSkipped) wrong("skip", `must be at most ${mostSkipped}; go further with \`cursor\``);
  if (!(limit > 0)) wrong("limit", `must be a whole number from 1 to ${largestPage}`);
  if (parameters.has("cursor") && parameters.has("skip")) wrong("skip", "cannot stand beside `cursor`");
  return { skip, limit: Math.min(limit, largestPage) };
}

/** The number, NaN for anything else. */
const wholeNumber = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : Number.NaN);
