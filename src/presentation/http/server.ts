import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { newIdentifier } from "../../kernel/identifier.ts";
import { problems } from "../../kernel/problem.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { chance, strangersOf } from "../../plan/audience.ts";
import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { addApiKeyRoutes } from "./api-key-routes.ts";
import { addBulkRoutes } from "./bulk-routes.ts";
import { addDocumentRoutes } from "./document-routes.ts";
import { addHealthRoutes } from "./health-routes.ts";
import { addHistoryRoute } from "./history-routes.ts";
import type { HttpParts } from "./http-parts.ts";
import { addPossibleActionsRoute } from "./possible-actions-route.ts";
import { languageOf, problemBody } from "./problem-reply.ts";
import { addRecordRoutes } from "./record-routes.ts";
import { tellPositions, tellUnknownPosition } from "./replica-reads.ts";
import { RouteTable } from "./route-table.ts";
import { addSessionRoutes } from "./session-routes.ts";

/** 1 MB, binary: what most clients mean by it. */
const largestBody = 1_048_576;

/** The HTTP server of an application, not yet listening. */
export function httpServer(parts: HttpParts): FastifyInstance {
  const server = Fastify({
    bodyLimit: largestBody,
    genReqId: () => newIdentifier(),
    requestIdHeader: false,
    trustProxy: parts.trustedProxies > 0 && ((_, hop) => hop < parts.trustedProxies),
    routerOptions: { maxParamLength: 500 },
    // Requests under way finish; idle connections close at once.
    forceCloseConnections: "idle",
    return503OnClosing: false,
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, request, reply) => {
      void reply.header("request-id", request.id);
      refuse(error, request, reply, parts);
    },
  });
  // One reader for all bodies: our own, strict one. Fastify's parsers would answer before the query was looked at.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser("*", { parseAs: "buffer" }, (_, body, done) => done(null, body));
  server.addHook("onRequest", (request, reply, done) => {
    reply.header("request-id", request.id);
    // Node takes the first of them, the next server may take the last: nobody can say whom such a request is from.
    done(isGivenTwice(request, "authorization") ? new Refusal("unauthenticated") : undefined);
  });
  tellPositions(server, parts);
  server.setErrorHandler((error, request, reply) => refuse(error, request, reply, parts));
  server.setNotFoundHandler((request, reply) => refuse(new Refusal("not_found"), request, reply, parts));

  server.addHook("preClose", (done) => {
    finishConnections(server);
    done();
  });

  const table = new RouteTable();
  for (const entity of parts.plan.entities) {
    addRecordRoutes(server, parts, entity, table);
    addBulkRoutes(server, parts, entity, table);
    addHistoryRoute(server, parts, entity, table);
    addPossibleActionsRoute(server, parts, entity, table);
  }
  addSessionRoutes(server, parts, table);
  addApiKeyRoutes(server, parts, table);
  addHealthRoutes(server, parts, table);
  addDocumentRoutes(server, parts, table);
  table.refuseOthers(server, new Map(parts.plan.entities.flatMap((entity) => intentHint(parts.plan, entity))));
  return server;
}

/** Names and values alternate in `rawHeaders`, the names as they were sent. */
function isGivenTwice({ headers, raw: { rawHeaders } }: FastifyRequest, name: string): boolean {
  if (headers[name] === undefined) return false;
  let times = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const sent = rawHeaders[at];
    if (sent?.length === name.length && sent.toLowerCase() === name) times++;
  }
  return times > 1;
}

const idleCheckMilliseconds = 20;
const drainMilliseconds = 10_000;

/**
 * Node closes the connections that are idle when the server closes; one that was busy then would stay open for the
 * whole keep-alive time. So idle ones are closed until none is left, and the rest after ten seconds.
 */
function finishConnections({ server }: FastifyInstance): void {
  const idle = setInterval(() => server.closeIdleConnections(), idleCheckMilliseconds);
  const all = setTimeout(() => server.closeAllConnections(), drainMilliseconds);
  server.once("close", () => {
    clearInterval(idle);
    clearTimeout(all);
  });
}

/**
 * Where an entity has no broad update, its 405 names the narrow intents, to whoever asks: those that anybody could come
 * to have. Staff find theirs in their document.
 */
function intentHint(plan: Plan, entity: EntityPlan): [string, string][] {
  if (entity.actions.some(({ kind }) => kind === "update")) return [];
  const strangers = strangersOf(plan);
  const intents = entity.actions.filter(
    ({ path, by }) => path.startsWith("/{id}/") && strangers.some((stranger) => chance(by, stranger) !== "never"),
  );
  const named = intents.map(({ method, path }) => `${method} /${entity.name}${path}`).join(", ");
  return named === "" ? [] : [[`/${entity.name}/:id`, `Use one of: ${named}`]];
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply, parts: HttpParts): void {
  const refusal = error instanceof Refusal ? error : refusalOf(error);
  if (refusal.code === "internal") {
    parts.observe({
      kind: "request_failed",
      requestId: request.id,
      method: request.method,
      path: request.url.split("?")[0] ?? "",
      error,
    });
  }
  const { allow, retryAfter } = refusal.told;
  if (allow !== undefined) void reply.header("allow", allow.join(", "));
  if (retryAfter !== undefined) void reply.header("retry-after", retryAfter);
  if (refusal.code === "outcome_unknown") tellUnknownPosition(request, reply, parts);
  if (refusal.code === "unauthenticated") void reply.header("www-authenticate", "Bearer");
  const origin = `${request.protocol}://${request.host}`;
  void reply
    .code(problems[refusal.code].status)
    .type("application/problem+json; charset=utf-8")
    .send(problemBody(refusal, origin, languageOf(request.headers["accept-language"]), request.id));
}

/** Fastify's own errors, as far as a client can cause them. */
function refusalOf(error: unknown): Refusal {
  const { code, statusCode } = error as Partial<FastifyError>; // any thrown value; both members may be missing
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return new Refusal("too_large");
  if (statusCode === 415) return new Refusal("unsupported_media_type");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new Refusal("malformed");
  return new Refusal("internal");
}

/** What is no HTTP, or has too many headers: there is no request yet, only a socket. */
function refuseUnreadable(error: Error & { readonly code?: string }, socket: import("node:net").Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const code = error.code === "HPE_HEADER_OVERFLOW" ? "headers_too_large" : "malformed";
  const id = newIdentifier();
  const body = problemBody(new Refusal(code), "", "en", id);
  socket.end(
    `HTTP/1.1 ${problems[code].status} ${code}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      `Request-Id: ${id}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
