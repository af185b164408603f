import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { furthest } from "../../kernel/log-position.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { networkOf } from "./client-address.ts";
import { readConsistencyToken, setConsistencyToken } from "./consistency-token.ts";
import type { HttpParts, Reading } from "./http-parts.ts";
import { readSessionCookie } from "./session-cookie.ts";

/**
 * Answers a read: from a replica that has what the caller has written, else from the primary.
 * @param asOf the moment that is asked about: one that a replica may not have reached is the primary's to tell
 * @throws Refusal `malformed` for a `Consistency-Token` that is none
 */
export async function answerRead<T>(
  parts: HttpParts,
  request: FastifyRequest,
  work: (reading: Reading) => Promise<T>,
  asOf?: string,
): Promise<T> {
  const { replicas } = parts;
  if (replicas === null) return work(parts);
  const after = readConsistencyToken(request, parts.secureCookies);
  if (after === "unknown" || (asOf !== undefined && !replicas.isPast(asOf))) return work(parts);
  const replica = replicas.readingFor(callerIn(parts, request), after);
  if (replica === null) return work(parts);
  try {
    return await work(replica);
  } catch (error) {
    // A user whom the replica does not know yet; whom the primary knows neither is refused there as well.
    if (error instanceof Refusal && error.code === "unauthenticated") return work(parts);
    throw error;
  }
}

/**
 * What tells one caller from another, before anybody has checked it: all that depends on it is which replica answers.
 * A JWT counts by its subject, who has a new one every hour; visitors by where they come from.
 */
function callerIn({ plan, secureCookies }: HttpParts, request: FastifyRequest): string {
  const { authorization } = request.headers;
  if (authorization !== undefined) return subjectIn(authorization) ?? authorization;
  const cookie = plan.actors?.login == null ? undefined : readSessionCookie(request, secureCookies);
  return cookie ?? networkOf(request.ip);
}

function subjectIn(authorization: string): string | null {
  const [, claims, signature] = authorization.split(".");
  if (claims === undefined || signature === undefined) return null;
  const [, subject = null] = /"sub" *: *"([^"]+)"/.exec(Buffer.from(claims, "base64url").toString()) ?? [];
  return subject;
}

const reads = ["GET", "HEAD", "OPTIONS", "TRACE"];
/** Nothing was stored, and nothing of what is stored was looked at. */
const unseen = [400, 401, 405, 413, 415, 429, 431, 503];

/**
 * Every reply to a write tells a position that has it: what was done, what was done earlier with the same key, and what
 * a refusal was decided by, so that whoever reads again after a 409 or 412 sees why.
 */
export function tellPositions(server: FastifyInstance, parts: HttpParts): void {
  const { replicas, secureCookies } = parts;
  if (replicas === null) return;
  server.addHook("onSend", async (request, reply) => {
    if (reads.includes(request.method) || unseen.includes(reply.statusCode)) return;
    setConsistencyToken(request, reply, secureCookies, await replicas.position(), replicas.tokenSeconds);
  });
}

/** For a write that may still be on its way: no position is sure to have it, so the primary answers for a while. */
export function tellUnknownPosition(
  request: FastifyRequest,
  reply: FastifyReply,
  { replicas, secureCookies }: HttpParts,
): void {
  if (replicas !== null) setConsistencyToken(request, reply, secureCookies, furthest, replicas.tokenSeconds);
}
