import type { FastifyReply, FastifyRequest } from "fastify";
import { cookieNamed, isSecure } from "./request-cookies.ts";

/**
 * The cookie of the admin UI. Over TLS its name begins with `__Host-`: a browser takes such a one only from this very
 * host, over TLS, for all paths, so no neighbouring host can plant another.
 */
const nameFor = (secure: boolean): string => (secure ? "__Host-gesta_session" : "gesta_session");

/** The token in the cookie; undefined where there is none, null where there are several and nobody can say which counts. */
export const readSessionCookie = (request: FastifyRequest, always: boolean): string | null | undefined =>
  cookieNamed(request, nameFor(isSecure(request, always)));

export function setSessionCookie(
  request: FastifyRequest,
  reply: FastifyReply,
  always: boolean,
  token: string,
  seconds: number,
): void {
  const secure = isSecure(request, always);
  // Strict costs nothing: the pages of the UI hold no data, and what they fetch comes from their own origin.
  const attributes = ["Path=/", "HttpOnly", "SameSite=Strict", `Max-Age=${seconds}`, ...(secure ? ["Secure"] : [])];
  reply.header("set-cookie", [`${nameFor(secure)}=${token}`, ...attributes].join("; "));
}

export const clearSessionCookie = (request: FastifyRequest, reply: FastifyReply, always: boolean): void =>
  setSessionCookie(request, reply, always, "", 0);
