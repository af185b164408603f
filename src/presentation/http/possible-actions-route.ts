import type { FastifyInstance } from "fastify";
import { obstacleMessage } from "../../kernel/obstacle.ts";
import type { EntityPlan } from "../../plan/plan.ts";
import { readScope } from "../../plan/scopes.ts";
import { callerOf } from "./caller.ts";
import { matchesNone, weakTagOf } from "./entity-tag.ts";
import type { HttpParts } from "./http-parts.ts";
import { languageOf } from "./problem-reply.ts";
import { readQuery } from "./query-string.ts";
import { idOf } from "./record-routes.ts";
import { answerRead } from "./replica-reads.ts";
import type { RouteTable } from "./route-table.ts";

/** `GET /{entity}/{id}/actions`: what the caller can do with a record now, and why not the rest. */
export function addPossibleActionsRoute(
  server: FastifyInstance,
  parts: HttpParts,
  entity: EntityPlan,
  table: RouteTable,
): void {
  table.add(server, "GET", `/${entity.name}/:id/actions`, async (request, reply) => {
    readQuery(request.url, []);
    const { who } = await callerOf(parts, request, readScope(entity.name));
    const id = idOf(entity, request, parts, who);
    const { status, actions } = await answerRead(parts, request, ({ possibleActions }) =>
      possibleActions.of(entity.name, who, id),
    );
    const language = languageOf(request.headers["accept-language"]);
    const body = JSON.stringify({
      status,
      actions: actions.map(({ action, obstacle, targets }) => ({
        name: action.name,
        allowed: obstacle === null,
        reason: obstacle === null ? null : obstacleMessage(obstacle, status, language),
        input: parts.schemaOf(action, targets),
      })),
    });
    const tag = weakTagOf(body);
    reply.header("etag", tag).header("vary", "Accept-Language");
    if (matchesNone(request.headers["if-none-match"], tag)) return reply.code(304).send();
    return reply.type("application/json; charset=utf-8").send(body);
  });
}
