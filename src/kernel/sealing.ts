import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { isObject, type Json } from "./json.ts";

/** A personal value as an event holds it: AES-256-GCM under its subject's key, bound to its place. */
export interface Sealed {
  /** Base64 of initialisation vector, tag and ciphertext. */
  readonly sealed: string;
  /** The version of the event that it was sealed for; what is folded out of events keeps it. */
  readonly version: number;
}

/** The place of a value, which nobody can move it from. */
export interface SealedPlace {
  readonly stream: string;
  readonly version: number;
  readonly field: string;
}

const cipher = "aes-256-gcm";
const vectorBytes = 12;
const tagBytes = 16;

export const newSubjectKey = (): Buffer => randomBytes(32);

const boundTo = ({ stream, version, field }: SealedPlace): Buffer => Buffer.from(`${stream}/${version}/${field}`);

export function seal(key: Buffer, place: SealedPlace, value: Json): Sealed {
  const vector = randomBytes(vectorBytes);
  const sealing = createCipheriv(cipher, key, vector, { authTagLength: tagBytes }).setAAD(boundTo(place));
  const text = Buffer.concat([sealing.update(JSON.stringify(value), "utf8"), sealing.final()]);
  return {
    sealed: Buffer.concat([vector, sealing.getAuthTag(), text]).toString("base64"),
    version: place.version,
  };
}

/** @throws Error where the value was sealed with another key, for another place, or was changed. */
export function open(key: Buffer, place: SealedPlace, sealed: string): Json {
  const bytes = Buffer.from(sealed, "base64");
  const [vector, tag, text] = [
    bytes.subarray(0, vectorBytes),
    bytes.subarray(vectorBytes, vectorBytes + tagBytes),
    bytes.subarray(vectorBytes + tagBytes),
  ];
  const opening = createDecipheriv(cipher, key, vector, { authTagLength: tagBytes })
    .setAAD(boundTo(place))
    .setAuthTag(tag);
  return JSON.parse(Buffer.concat([opening.update(text), opening.final()]).toString("utf8"));
}

export const isSealed = (value: Json | undefined): value is Json & Sealed =>
  isObject(value) && typeof value.sealed === "string" && typeof value.version === "number";
