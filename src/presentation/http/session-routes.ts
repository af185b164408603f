import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { signInInput } from "../../plan/account-inputs.ts";
import { unscoped } from "../../plan/scopes.ts";
import { admitSignIn, callerOf } from "./caller.ts";
import { networkOf, plainAddress } from "./client-address.ts";
import type { HttpParts } from "./http-parts.ts";
import { ownIdOf, refuseInput, sendOwnPage } from "./own-replies.ts";
import { readPageQuery } from "./page-query.ts";
import { readQuery } from "./query-string.ts";
import { readDryRun } from "./record-routes.ts";
import { readInput } from "./request-input.ts";
import type { RouteTable } from "./route-table.ts";
import { clearSessionCookie, setSessionCookie } from "./session-cookie.ts";

const sessions = { name: "sessions" } as const;

/** Signing in and out. Without `login` in the declaration there are no such addresses. */
export function addSessionRoutes(server: FastifyInstance, parts: HttpParts, table: RouteTable): void {
  if (parts.plan.actors?.login == null) return;
  table.add(server, "POST", "/sessions", signInRoute(parts));
  table.add(server, "GET", "/sessions", async (request, reply) => {
    const page = readPageQuery(request.url, sessions, parts.cursors);
    const caller = await callerOf(parts, request, unscoped);
    return sendOwnPage(reply, parts.cursors, sessions, page, await parts.sessions.list(caller, page));
  });
  table.add(server, "DELETE", "/sessions/current", async (request, reply) => {
    readQuery(request.url, []);
    refuseInput(request);
    // Whatever becomes of it: a cookie that is good for nothing could not be had rid of otherwise.
    clearSessionCookie(request, reply, parts.secureCookies);
    await parts.sessions.endCurrent(await callerOf(parts, request, null));
    return reply.code(204).send();
  });
  table.add(server, "DELETE", "/sessions/:id", async (request, reply) => {
    readQuery(request.url, []);
    refuseInput(request);
    await parts.sessions.end(await callerOf(parts, request, unscoped), ownIdOf(request));
    return reply.code(204).send();
  });
}

function signInRoute(parts: HttpParts) {
  const input = signInInput(parts.plan);
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const dryRun = readDryRun(readQuery(request.url, ["dry_run"]));
    const sent = readInput(request, input.fields);
    await admitSignIn(parts, request);
    const origin = {
      address: plainAddress(request.ip),
      network: networkOf(request.ip),
      userAgent: request.headers["user-agent"] ?? null,
    };
    const answer = (body: string) =>
      reply.code(201).header("cache-control", "no-store").type("application/json; charset=utf-8").send(body);
    if (dryRun) {
      return answer(`{"token":null,"expires_at":null,"user":${await parts.sessions.checkSignIn(sent, origin)}}`);
    }
    const { token, expiresAt, user } = await parts.sessions.signIn(sent, origin);
    setSessionCookie(request, reply, parts.secureCookies, token, parts.sessionHours * 3600);
    const body = `{"token":${JSON.stringify(token)},"expires_at":${JSON.stringify(expiresAt)},"user":${user}}`;
    return answer(body);
  };
}
