import type { FastifyRequest } from "fastify";
import { Refusal } from "../../kernel/refusal.ts";
import { kindOf } from "../../kernel/secret-token.ts";
import type { Caller } from "../../services/authentication-service.ts";
import type { HttpParts } from "./http-parts.ts";
import { isFromElsewhere, isFromHere } from "./same-origin.ts";
import { readSessionCookie } from "./session-cookie.ts";

/**
 * Who sent a request: by its `Authorization`, else by the cookie of the admin UI.
 * @param scope what an API key must be good for: `orders:cancel`; null for what every key is good for
 * @throws Refusal `unauthenticated`; `forbidden` for a key without the scope, and for a cookie that another site used
 */
export async function callerOf(parts: HttpParts, request: FastifyRequest, scope: string | null): Promise<Caller> {
  const { authorization } = request.headers;
  if (authorization !== undefined) return parts.authentication.identify(bearerOf(authorization), scope);
  const cookie = cookieOf(parts, request);
  if (cookie === undefined) return parts.authentication.identify(null, scope);
  // A browser sends the cookie whoever asks it to. Reading is safe: the answer does not reach another site.
  if (!["GET", "HEAD", "OPTIONS"].includes(request.method) && !isFromHere(request)) throw foreign();
  if (cookie === null || kindOf(cookie) !== "session") throw new Refusal("unauthenticated");
  return parts.authentication.identify(cookie, scope);
}

/** Whether a request carries nothing to be known by. */
export const isVisitor = (parts: HttpParts, request: FastifyRequest): boolean =>
  request.headers.authorization === undefined && cookieOf(parts, request) === undefined;

/**
 * For signing in: a bad token is refused as everywhere, a cookie is about to be replaced and does not count. Another
 * site must not sign a browser in, as whomever it likes.
 */
export async function admitSignIn(parts: HttpParts, request: FastifyRequest): Promise<void> {
  const { authorization } = request.headers;
  if (authorization !== undefined) await parts.authentication.identify(bearerOf(authorization), null);
  if (isFromElsewhere(request)) throw foreign();
}

const cookieOf = ({ plan, secureCookies }: HttpParts, request: FastifyRequest): string | null | undefined =>
  plan.actors?.login == null ? undefined : readSessionCookie(request, secureCookies);

function bearerOf(header: string): string {
  const token = /^Bearer +([^\s]+) *$/i.exec(header)?.[1];
  if (token === undefined) throw new Refusal("unauthenticated");
  return token;
}

const foreign = (): Refusal =>
  new Refusal("forbidden", {
    detail: {
      en: "The session cookie counts for pages of this origin alone. Send `Authorization: Bearer <token>`, or call from here with `Sec-Fetch-Site` or `Origin`, as browsers do.",
      ru: "Cookie сеанса действует только для страниц этого же источника. Передайте `Authorization: Bearer <токен>` или обращайтесь отсюда с `Sec-Fetch-Site` или `Origin`, как делают браузеры.",
    },
  });
