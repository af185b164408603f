import type { FastifyReply, FastifyRequest } from "fastify";
import { type LogPosition, later, positionText, readPosition } from "../../kernel/log-position.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { cookieNamed, isSecure } from "./request-cookies.ts";

/** The position that covers a client's own writes, as a client gets it and gives it back. */
const header = "consistency-token";
const nameFor = (secure: boolean): string => (secure ? "__Host-gesta_consistency" : "gesta_consistency");

const malformed = (): Refusal =>
  new Refusal("malformed", {
    detail: {
      en: "`Consistency-Token` must be the header of an earlier reply as it was, such as `1:0/16B3748`; without it the answer may be some seconds old",
      ru: "`Consistency-Token` — заголовок прежнего ответа без изменений, например `1:0/16B3748`; без него ответ может отставать на несколько секунд",
    },
  });

/**
 * What an answer must have: the later one of header and cookie.
 * @returns null where the client says nothing, `unknown` where its cookie cannot be read
 * @throws Refusal `malformed` for a header that is none: whoever sends one by hand wants to know
 */
export function readConsistencyToken(request: FastifyRequest, always: boolean): LogPosition | "unknown" | null {
  const sent = request.headers[header];
  const fromHeader = sent === undefined ? null : readPosition(String(sent));
  if (sent !== undefined && fromHeader === null) throw malformed();
  const cookie = cookieNamed(request, nameFor(isSecure(request, always)));
  if (cookie === undefined || cookie === "") return fromHeader;
  const fromCookie = cookie === null ? null : readPosition(cookie);
  if (fromCookie === null) return "unknown";
  return fromHeader === null ? fromCookie : later(fromHeader, fromCookie);
}

export function setConsistencyToken(
  request: FastifyRequest,
  reply: FastifyReply,
  always: boolean,
  position: LogPosition,
  seconds: number,
): void {
  const text = positionText(position);
  const secure = isSecure(request, always);
  const attributes = ["Path=/", "HttpOnly", "SameSite=Lax", `Max-Age=${seconds}`, ...(secure ? ["Secure"] : [])];
  reply.header(header, text);
  reply.header("set-cookie", [`${nameFor(secure)}=${text}`, ...attributes].join("; "));
}
