import { createHash, randomUUID } from "node:crypto";

/** Where new ids come from: UUIDv7 (RFC 9562 § 5.7), which rises with time and so keeps indexes dense. */
export type IdentifierSource = () => string;

let millisecond = -1;
let front = "";

export const newIdentifier: IdentifierSource = () => {
  const now = Date.now();
  if (now !== millisecond) {
    const time = now.toString(16).padStart(12, "0");
    front = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    millisecond = now;
  }
  // A random UUID brings the variant and 74 random bits, from a pool that Node fills ahead.
  return front + randomUUID().slice(15);
};

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isUuid = (value: string): boolean => uuid.test(value);

/** A serial id: 1 to 2^53 − 1, without leading zeros. */
export const isSerial = (value: string): boolean =>
  /^[1-9][0-9]{0,15}$/.test(value) && Number.isSafeInteger(Number(value));

/** The id that a path names. One that cannot be one is an id that no record has: it is answered as any other. */
export function readIdentifier(kind: "uuid" | "serial", text: string): string {
  if (kind === "serial") return isSerial(text) ? text : "0";
  return isUuid(text) ? text.toLowerCase() : "00000000-0000-0000-0000-000000000000";
}

/**
 * The stream of a record. A UUID is its own stream; a serial id becomes a UUIDv8 (RFC 9562 § 5.8) made of the
 * entity's name and the number. `gesta.serial_stream` is the same function in SQL.
 */
export function streamOf(entity: string, id: string | number): string {
  if (typeof id === "string") return id;
  const name = createHash("md5").update(entity).digest("hex");
  const number = id.toString(16).padStart(15, "0");
  return `${name.slice(0, 8)}-${name.slice(8, 12)}-8000-8${number.slice(0, 3)}-${number.slice(3)}`;
}

/**
 * An id that depends on its name alone, for records that are sown with an application: the same name is the same
 * record in every database, so a development token can be made without asking one. Names that end in a number sort by it.
 */
export function namedIdentifier(name: string): string {
  const hash = createHash("sha256").update(name).digest("hex");
  const number = Number(/(\d{1,4})$/.exec(name)?.[1] ?? 0);
  const place = number.toString(16).padStart(4, "0");
  return `01900000-${place}-7${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}`;
}
