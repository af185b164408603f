import { createHmac, timingSafeEqual } from "node:crypto";
import { canonicalJson, type Json } from "./json.ts";

/**
 * Where a list goes on: the sort keys of the last thing that was shown. Signed together with what the list was asked
 * for, so nobody can build one, none fits another list, and its form stays ours to change.
 */
export interface Cursors {
  make(list: Json, keys: readonly Json[]): string;
  /** The keys, or null for anything that `make` did not give for this list. */
  read(list: Json, cursor: string): readonly Json[] | null;
}

const signatureBytes = 12;

export function signedCursors(secret: string): Cursors {
  const sign = (list: Json, keys: string) =>
    createHmac("sha256", secret)
      .update(JSON.stringify(["cursor", canonicalJson(list), keys]))
      .digest()
      .subarray(0, signatureBytes);
  return {
    make(list, keys) {
      const text = JSON.stringify(keys);
      return Buffer.concat([sign(list, text), Buffer.from(text)]).toString("base64url");
    },
    read(list, cursor) {
      const bytes = Buffer.from(cursor, "base64url");
      if (bytes.length <= signatureBytes || bytes.toString("base64url") !== cursor) return null;
      const text = bytes.subarray(signatureBytes).toString();
      if (!timingSafeEqual(bytes.subarray(0, signatureBytes), sign(list, text))) return null;
      return JSON.parse(text); // signed, so it is what `make` wrote
    },
  };
}
