import type { Fault } from "../../kernel/fault.ts";

/** A point in the life of a record: a moment (UTC, RFC 3339) or a version. */
export type PointInTime =
  | { readonly moment: string; readonly version: null }
  | { readonly moment: null; readonly version: number };

/** Largest version that the database counts to: one above it is not there either. */
const largestVersion = 2_147_483_647;

/** Reads `as_of` of a list; null where it is not given: the list as it is. */
export function readAsOf(parameters: ReadonlyMap<string, string>, faults: Fault[]): string | null {
  const text = parameters.get("as_of");
  const moment = text === undefined ? null : momentOf(text);
  if (text !== undefined && moment === null) {
    const expected = "must be a moment with an offset, 2026-02-28T12:00:00Z; a + in it is %2B in an address";
    faults.push({ parameter: "as_of", code: "invalid_parameter", parameters: { expected } });
  }
  return moment;
}

/** Reads `as_of` and `as_of_version` of a record; null where neither is given: the record as it is. */
export function readPoint(parameters: ReadonlyMap<string, string>, faults: Fault[]): PointInTime | null {
  const moment = readAsOf(parameters, faults);
  const text = parameters.get("as_of_version");
  const version = text === undefined ? null : versionOf(text);
  const wrong = (expected: string) =>
    faults.push({ parameter: "as_of_version", code: "invalid_parameter", parameters: { expected } });
  if (text !== undefined && version === null) wrong("must be a whole number, 1 or more");
  if (text !== undefined && parameters.has("as_of")) wrong("cannot stand beside `as_of`");
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
