import type { FastifyReply, FastifyRequest } from "fastify";
import { readScope } from "../../plan/scopes.ts";
import { callerOf } from "./caller.ts";
import { matchesNone, weakTagOf } from "./entity-tag.ts";
import type { HttpParts } from "./http-parts.ts";
import { readQuery } from "./query-string.ts";
import { answerRead } from "./replica-reads.ts";

/** Groups of the records that the caller may read. */
export function aggregateRoute(parts: HttpParts, entity: string) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const query = readQuery(request.url);
    const identify = async () => (await callerOf(parts, request, readScope(entity))).who;
    const {
      body: groups,
      limit,
      next,
    } = await answerRead(parts, request, ({ queries }) => queries.aggregate(entity, identify, query));
    const body = `{"groups":${groups},"page":${JSON.stringify({ limit, next })}}`;
    const tag = weakTagOf(body);
    reply.header("etag", tag);
    if (next !== null) {
      const here = [...query].filter(([name]) => name !== "cursor");
      reply.header("link", `</${entity}/aggregate?${new URLSearchParams([...here, ["cursor", next]])}>; rel="next"`);
    }
    if (matchesNone(request.headers["if-none-match"], tag)) return reply.code(304).send();
    return reply.type("application/json; charset=utf-8").send(body);
  };
}
