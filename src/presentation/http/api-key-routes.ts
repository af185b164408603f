import type { FastifyInstance } from "fastify";
import { apiKeyInput } from "../../plan/account-inputs.ts";
import { unscoped } from "../../plan/scopes.ts";
import { callerOf } from "./caller.ts";
import type { HttpParts } from "./http-parts.ts";
import { ownIdOf, refuseInput, sendOwnPage } from "./own-replies.ts";
import { readPageQuery } from "./page-query.ts";
import { readQuery } from "./query-string.ts";
import { readDryRun } from "./record-routes.ts";
import { readInput } from "./request-input.ts";
import type { RouteTable } from "./route-table.ts";

const apiKeys = { name: "api_keys" } as const;

/** API keys, wherever there are actors to have them. */
export function addApiKeyRoutes(server: FastifyInstance, parts: HttpParts, table: RouteTable): void {
  if (parts.plan.actors === null) return;
  const { fields } = apiKeyInput([]);
  table.add(server, "POST", "/api_keys", async (request, reply) => {
    const dryRun = readDryRun(readQuery(request.url, ["dry_run"]));
    const sent = readInput(request, fields);
    const made = await parts.apiKeys.make(await callerOf(parts, request, unscoped), sent, dryRun);
    return reply
      .code(201)
      .header("cache-control", "no-store")
      .type("application/json; charset=utf-8")
      .send(JSON.stringify(made));
  });
  table.add(server, "GET", "/api_keys", async (request, reply) => {
    const page = readPageQuery(request.url, apiKeys, parts.cursors);
    const caller = await callerOf(parts, request, unscoped);
    return sendOwnPage(reply, parts.cursors, apiKeys, page, await parts.apiKeys.list(caller, page));
  });
  table.add(server, "DELETE", "/api_keys/:id", async (request, reply) => {
    readQuery(request.url, []);
    refuseInput(request);
    await parts.apiKeys.revoke(await callerOf(parts, request, unscoped), ownIdOf(request));
    return reply.code(204).send();
  });
}
