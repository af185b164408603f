import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { EntityPlan } from "../../plan/plan.ts";
import { readScope } from "../../plan/scopes.ts";
import { callerOf } from "./caller.ts";
import { matchesNone, weakTagOf } from "./entity-tag.ts";
import { cursorBeyond, readHistoryQuery } from "./history-query.ts";
import type { HttpParts } from "./http-parts.ts";
import { idOf } from "./record-routes.ts";
import { answerRead } from "./replica-reads.ts";
import type { RouteTable } from "./route-table.ts";

const json = "application/json; charset=utf-8";

/** What happened to one record, page by page. */
export function addHistoryRoute(
  server: FastifyInstance,
  parts: HttpParts,
  entity: EntityPlan,
  table: RouteTable,
): void {
  table.add(server, "GET", `/${entity.name}/:id/history`, async (request: FastifyRequest, reply: FastifyReply) => {
    const { id: named = "" } = request.params as { readonly id?: string }; // the route has `:id`
    const page = readHistoryQuery(request.url, entity.name, named, parts.cursors);
    const { who } = await callerOf(parts, request, readScope(entity.name));
    const id = idOf(entity, request, parts, who);
    const { events, next } = await answerRead(parts, request, ({ history }) =>
      history.history(entity.name, who, id, page),
    );
    const of = { entity: entity.name, id: named, newestFirst: page.newestFirst };
    const cursor = next === null ? null : cursorBeyond(parts.cursors, of, next);
    const body = JSON.stringify({ events, page: { limit: page.limit, skip: page.skip, next: cursor, total: null } });
    const tag = weakTagOf(body);
    reply.header("etag", tag);
    if (cursor !== null) {
      const order = page.newestFirst ? "order=desc&" : "";
      const path = `/${entity.name}/${encodeURIComponent(named)}/history`;
      reply.header("link", `<${path}?${order}limit=${page.limit}&cursor=${cursor}>; rel="next"`);
    }
    if (matchesNone(request.headers["if-none-match"], tag)) return reply.code(304).send();
    return reply.type(json).send(body);
  });
}
