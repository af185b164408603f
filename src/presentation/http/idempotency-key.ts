import { hash } from "node:crypto";
import { Refusal } from "../../kernel/refusal.ts";
import type { Idempotency } from "../../services/command.ts";

/** What a request is, for telling a repetition from another one. */
export interface SentRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  /** The path with its parameters' names: `/orders/:id/cancel`. */
  readonly route: string;
  readonly contentType: string | undefined;
  readonly body: Uint8Array | undefined;
}

/** 1 to 255 visible ASCII characters, in quotes or bare (draft-ietf-httpapi-idempotency-key-header). */
const key = /^(?:"([!#-~]{1,255})"|([!#-~]{1,255}))$/;
/** Visitors share one scope, so their keys must be hard to meet by chance. */
const shortestOfVisitor = 16;

/**
 * Reads the `Idempotency-Key` header of a POST or PATCH; elsewhere it is ignored.
 * @returns the key's text, or null where there is none.
 * @throws Refusal `idempotency_key_invalid`, `idempotency_key_required`
 */
export function readKey(
  method: string,
  header: string | readonly string[] | undefined,
  { visitor, required }: { readonly visitor: boolean; readonly required: boolean },
): string | null {
  if (method !== "POST" && method !== "PATCH") return null;
  if (header === undefined) {
    if (required) throw new Refusal("idempotency_key_required");
    return null;
  }
  const [, quoted, bare] = (typeof header === "string" ? key.exec(header) : null) ?? [];
  const text = quoted ?? bare;
  if (text === undefined || (visitor && text.length < shortestOfVisitor)) throw new Refusal("idempotency_key_invalid");
  return text;
}

/** The scope of a key, caller + method + route + key, and the fingerprint of all that was sent with it. */
export const idempotencyOf = (text: string | null, who: string | null, sent: SentRequest): Idempotency | null =>
  text === null
    ? null
    : {
        key: hashed([who ?? "visitor", sent.method, sent.route, text]),
        fingerprint: hashed([sent.method, sent.url, sent.contentType ?? ""], sent.body),
      };

/** The first half of a SHA-256, as a UUIDv8 (RFC 9562 § 5.8). */
function hashed(words: readonly string[], bytes?: Uint8Array): string {
  const text = JSON.stringify(words);
  const digest = hash("sha256", bytes === undefined ? text : Buffer.concat([Buffer.from(text), bytes]), "hex");
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
