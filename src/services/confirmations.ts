import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../kernel/clock.ts";
import type { Who } from "../repositories/records-repository.ts";

/** What a caller agrees to: this action of this record, as it is and with all that it touches. */
export interface Agreement {
  readonly who: Who;
  readonly entity: string;
  readonly action: string;
  readonly id: string;
  readonly version: number;
  /** Made of all that is touched, as it is. */
  readonly digest: string;
}

/** Tokens with which a caller says that an impact was seen. Nothing is stored: they are signed over all that they hold. */
export interface Confirmations {
  make(agreement: Agreement): string;
  /** Whether the token was made for exactly this, by this application, not long ago. */
  holds(token: string, agreement: Agreement): boolean;
}

const lifetime = 15 * 60_000;

export function signedConfirmations(secret: string, clock: Clock): Confirmations {
  const sign = (until: number, { who, entity, action, id, version, digest }: Agreement): Buffer =>
    createHmac("sha256", secret)
      .update(JSON.stringify(["confirm", until, who, entity, action, id, version, digest]))
      .digest();
  return {
    make(agreement) {
      const until = clock.now().getTime() + lifetime;
      return `${until.toString(36)}.${sign(until, agreement).toString("base64url")}`;
    },
    holds(token, agreement) {
      const [, until = "", signature = ""] = /^([0-9a-z]{1,10})\.([\w-]{43})$/.exec(token) ?? [];
      const end = Number.parseInt(until, 36);
      if (!(end > clock.now().getTime())) return false;
      const sent = Buffer.from(signature, "base64url");
      // Two bits of the last letter are no part of the bytes: only the form that was given out counts.
      return sent.toString("base64url") === signature && timingSafeEqual(sent, sign(end, agreement));
    },
  };
}
