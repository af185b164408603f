import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { problems } from "../../kernel/problem.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { ActionPlan, EntityPlan } from "../../plan/plan.ts";
import { actionScope } from "../../plan/scopes.ts";
import { callerOf, isVisitor } from "./caller.ts";
import type { HttpParts } from "./http-parts.ts";
import { idempotencyOf, readKey } from "./idempotency-key.ts";
import { languageOf, problemOf } from "./problem-reply.ts";
import { readQuery } from "./query-string.ts";
import { readDryRun } from "./record-routes.ts";
import { readBody } from "./request-body.ts";
import type { RouteTable } from "./route-table.ts";

/** The routes of an entity for many records at once, for the actions that are declared to take them. */
export function addBulkRoutes(server: FastifyInstance, parts: HttpParts, entity: EntityPlan, table: RouteTable): void {
  const path = `/${entity.name}/bulk`;
  for (const action of entity.actions) {
    if (action.bulk) table.add(server, action.method, path, bulkRoute(parts, entity, action, path));
  }
}

function bulkRoute(parts: HttpParts, entity: EntityPlan, action: ActionPlan, route: string) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const dryRun = readDryRun(readQuery(request.url, ["dry_run"]));
    // The one parser of the server hands over the bytes (see server.ts).
    const bytes = request.body as Buffer | undefined;
    const contentType = request.headers["content-type"];
    const input = itemsIn(contentType, bytes);
    const key = dryRun
      ? null
      : readKey(request.method, request.headers["idempotency-key"], {
          visitor: isVisitor(parts, request),
          required: action.demandsKey,
        });
    const { who } = await callerOf(parts, request, actionScope(entity.name, action.name));
    const origin = `${request.protocol}://${request.host}`;
    const language = languageOf(request.headers["accept-language"]);
    const done = await parts.bulk.execute({
      entity: entity.name,
      action: action.name,
      who,
      input,
      requestId: request.id,
      idempotency: idempotencyOf(key, who, {
        method: request.method,
        url: request.url,
        route,
        contentType,
        body: bytes,
      }),
      dryRun,
      status: action.kind === "create" ? 201 : 200,
      resultOf: (index, refusal) => ({
        index,
        status: problems[refusal.code].status,
        problem: problemOf(refusal, origin, language, request.id),
      }),
    });
    if (done.replayed) reply.header("idempotency-replayed", "true");
    return reply.type("application/json; charset=utf-8").send(done.body);
  };
}

/** A form has no place for items. @throws Refusal `unsupported_media_type`, `malformed` */
function itemsIn(contentType: string | undefined, bytes: Buffer | undefined): unknown {
  const body = readBody(contentType, bytes);
  if (body.kind === "form") {
    const detail = {
      en: "Items are sent as JSON: `application/json`.",
      ru: "Элементы передаются как JSON: `application/json`.",
    };
    throw new Refusal("unsupported_media_type", { detail });
  }
  return body.kind === "json" ? body.value : {};
}
