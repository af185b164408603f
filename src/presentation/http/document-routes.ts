import type { FastifyInstance, FastifyRequest } from "fastify";
import { type ProblemCode, problems } from "../../kernel/problem.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { callerOf } from "./caller.ts";
import { documentPage, problemPage } from "./document-page.ts";
import type { HttpParts } from "./http-parts.ts";
import { languageOf } from "./problem-reply.ts";
import { readQuery } from "./query-string.ts";
import type { RouteTable } from "./route-table.ts";

const html = "text/html; charset=utf-8";
const policy = "default-src 'none'; style-src 'unsafe-inline'";

const isProblem = (code: string): code is ProblemCode => Object.hasOwn(problems, code);

/** The API's description for this caller, as OpenAPI and as a page, and the pages behind the problems' types. */
export function addDocumentRoutes(server: FastifyInstance, parts: HttpParts, table: RouteTable): void {
  const documentOf = async (request: FastifyRequest) => {
    const { who } = await callerOf(parts, request, null);
    return parts.documentFor(await parts.authentication.roleOf(who));
  };
  table.add(server, "GET", "/openapi.json", async (request, reply) => {
    readQuery(request.url, []);
    const document = await documentOf(request);
    return reply.type("application/json; charset=utf-8").send(JSON.stringify(document));
  });
  table.add(server, "GET", "/docs", async (request, reply) => {
    readQuery(request.url, []);
    const document = await documentOf(request);
    return reply.type(html).header("content-security-policy", policy).send(documentPage(document));
  });
  table.add(server, "GET", "/problems/:code", async (request, reply) => {
    readQuery(request.url, []);
    const { code } = request.params as { readonly code: string }; // the route has `:code`
    if (!isProblem(code)) throw new Refusal("not_found");
    const language = languageOf(request.headers["accept-language"]);
    return reply.type(html).header("content-security-policy", policy).send(problemPage(code, language));
  });
}
