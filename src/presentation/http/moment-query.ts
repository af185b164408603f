import type { Fault } from "../../kernel/fault.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { PointInTime } from "../../services/history-service.ts";
import type { Query } from "./query-string.ts";

/** The parameters that ask for a record as it was. */
export const momentParameters = ["as_of", "as_of_version"] as const;

/** Largest version that the database counts to: one above it is not there either. */
const largestVersion = 2_147_483_647;

/**
 * Reads `as_of` and `as_of_version`; null where neither is given: the record as it is.
 * @throws Refusal `invalid_query`
 */
export function readMoment(query: Query): PointInTime | null {
  const [asOf, asOfVersion] = momentParameters.map((name) => query.get(name));
  const errors: Fault[] = [];
  const wrong = (parameter: string, expected: string) =>
    errors.push({ parameter, code: "invalid_parameter", parameters: { expected } });
  const moment = asOf === undefined ? null : momentOf(asOf);
  const version = asOfVersion === undefined ? null : versionOf(asOfVersion);
  if (asOf !== undefined && moment === null) {
    wrong("as_of", "must be a moment with an offset, 2026-02-28T12:00:00Z; a + in it is %2B in an address");
  }
  if (asOfVersion !== undefined && version === null) wrong("as_of_version", "must be a whole number, 1 or more");
  if (asOf !== undefined && asOfVersion !== undefined) wrong("as_of_version", "cannot stand beside `as_of`");
  if (errors.length > 0) throw new Refusal("invalid_query", { errors });
  if (moment !== null) return { moment, version: null };
  return version === null ? null : { moment: null, version };
}

const rfc3339 =
  /^(\d{4}-\d{2}-\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(?:\.(\d+))?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * A moment (RFC 3339 § 5.6) in UTC, or null. Events carry milliseconds, so what is finer makes no difference and is cut
 * off, never rounded up to an event that had not happened yet.
 */
function momentOf(text: string): string | null {
  const [, day = "", , second, fraction = ""] = rfc3339.exec(text) ?? [];
  if (day === "" || !isDay(day)) return null;
  // A leap second (RFC 3339 § 5.7) is read as the last millisecond before the next minute.
  const milliseconds = second === "60" ? "999" : fraction.slice(0, 3).padEnd(3, "0");
  const cut = text
    .toUpperCase()
    .replace(/:(\d{2})(\.\d+)?(?=Z|[+-])/, `:${second === "60" ? "59" : "$1"}.${milliseconds}`);
  const time = new Date(cut);
  const year = time.getUTCFullYear();
  return Number.isNaN(time.getTime()) || year < 1 || year > 9999 ? null : time.toISOString();
}

function isDay(text: string): boolean {
  const time = new Date(`${text}T00:00:00Z`);
  return !text.startsWith("0000") && !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text);
}

function versionOf(text: string): number | null {
  if (!/^[1-9]\d{0,14}$/.test(text)) return null;
  return Math.min(Number(text), largestVersion);
}
