import type { Clock } from "../../kernel/clock.ts";
import { newIdentifier } from "../../kernel/identifier.ts";
import { isObject } from "../../kernel/json.ts";
import { signToken } from "../../services/tokens.ts";

export interface HttpAnswer {
  readonly status: number;
  /** The problem's code; empty where all is well. */
  readonly code: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface HttpClient {
  call(method: string, path: string, who: string | null, body?: unknown): Promise<HttpAnswer>;
}

/** A client that signs a token for whoever asks, known or not. */
export function httpClient(url: string, secret: string, clock: Clock): HttpClient {
  const tokens = new Map<string, string>();
  const tokenOf = async (who: string): Promise<string> => {
    const token = tokens.get(who) ?? (await signToken(secret, who, 24 * 3600, clock));
    tokens.set(who, token);
    return token;
  };
  return {
    async call(method, path, who, body) {
      const reply = await fetch(`${url}${path}`, {
        method,
        headers: {
          "if-match": "*",
          ...(method === "POST" ? { "idempotency-key": newIdentifier() } : {}),
          ...(who === null ? {} : { authorization: `Bearer ${await tokenOf(who)}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await reply.text();
      const read: unknown = text === "" ? {} : JSON.parse(text);
      const members = isObject(read) ? read : {};
      const code = reply.ok ? "" : String(members.code);
      return { status: reply.status, code, body: members };
    },
  };
}
