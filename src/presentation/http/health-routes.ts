import type { FastifyInstance } from "fastify";
import { Refusal } from "../../kernel/refusal.ts";
import type { HttpParts } from "./http-parts.ts";
import { readQuery } from "./query-string.ts";
import type { RouteTable } from "./route-table.ts";

/** `/healthz`: the process lives, whatever its database does. `/readyz`: it can serve. */
export function addHealthRoutes(server: FastifyInstance, parts: HttpParts, table: RouteTable): void {
  table.add(server, "GET", "/healthz", async (request, reply) => {
    readQuery(request.url, []);
    return reply.type("application/json; charset=utf-8").send('{"status":"ok"}');
  });
  table.add(server, "GET", "/readyz", async (request, reply) => {
    readQuery(request.url, []);
    await parts.ready().catch(() => {
      throw new Refusal("overloaded", { retryAfter: 1 });
    });
    return reply.type("application/json; charset=utf-8").send('{"status":"ready"}');
  });
}
