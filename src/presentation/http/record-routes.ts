import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { readIdentifier } from "../../kernel/identifier.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { offeredActions } from "../../plan/audience.ts";
import type { ActionPlan, EntityPlan } from "../../plan/plan.ts";
import { actionScope, readScope } from "../../plan/scopes.ts";
import type { CommandReply } from "../../services/command.ts";
import { actionOnRecord } from "../../services/impact-service.ts";
import type { Identify, ShownPage } from "../../services/queries-service.ts";
import { aggregateRoute } from "./aggregate-route.ts";
import { callerOf, isVisitor } from "./caller.ts";
import { expectedVersions, matchesNone, tagOf, weakTagOf } from "./entity-tag.ts";
import type { HttpParts, Reading } from "./http-parts.ts";
import { idempotencyOf, readKey } from "./idempotency-key.ts";
import { type Query, readKnownQuery, readQuery } from "./query-string.ts";
import { answerRead } from "./replica-reads.ts";
import { readInput } from "./request-input.ts";
import type { RouteTable } from "./route-table.ts";

const json = "application/json; charset=utf-8";

/** The routes of one entity: lists, records, and one for each of its actions. */
export function addRecordRoutes(
  server: FastifyInstance,
  parts: HttpParts,
  entity: EntityPlan,
  table: RouteTable,
): void {
  const collection = `/${entity.name}`;
  table.add(server, "GET", collection, listRoute(parts, entity));
  if (entity.aggregates !== null) {
    table.add(server, "GET", `${collection}/aggregate`, aggregateRoute(parts, entity.name));
  }
  table.add(server, "GET", `${collection}/:id`, readRoute(parts, entity));
  const actions = offeredActions(entity);
  for (const action of actions) {
    const path = `${collection}${action.path.replace("{id}", ":id")}`;
    table.add(server, action.method, path, actionRoute(parts, entity, action, path, action.kind === "update"));
    if (action.kind === "update") table.add(server, "PUT", path, actionRoute(parts, entity, action, path, false));
  }
  if (actions.some(({ kind }) => kind !== "create")) {
    table.add(server, "GET", `${collection}/:id/impact`, impactRoute(parts, entity));
  }
}

/** The record that a route names; the caller's own for `me`. */
export function idOf(entity: EntityPlan, request: FastifyRequest, parts: HttpParts, who: string | null): string {
  const { id = "" } = request.params as { readonly id?: string }; // every route with a record has `:id`
  if (id === "me" && entity.name === parts.plan.actors?.entity && who !== null) return who;
  return readIdentifier(entity.id, id);
}

function readRoute(parts: HttpParts, entity: EntityPlan) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const query = readQuery(request.url);
    const id = (who: string | null) => idOf(entity, request, parts, who);
    const identify = identifier(parts, request);
    const read = ({ queries }: Reading) => queries.read(entity.name, identify, id, query);
    const shown = await answerRead(parts, request, read, query.get("as_of"));
    return answerTagged(request, reply, shown, shown.whole);
  };
}

/** A whole record has the tag of its version, a part of one or more than one its own. */
function answerTagged(
  request: FastifyRequest,
  reply: FastifyReply,
  shown: { readonly version: number; readonly body: string },
  whole: boolean,
) {
  const tag = whole ? tagOf(shown.version) : weakTagOf(shown.body);
  reply.header("etag", tag);
  if (matchesNone(request.headers["if-none-match"], tag)) return reply.code(304).send();
  return reply.type(json).send(shown.body);
}

function listRoute(parts: HttpParts, entity: EntityPlan) {
  // What was made of a page or a query is kept with it, for as long as somebody else keeps that.
  const replies = new WeakMap<ShownPage, ListReply>();
  const links = new WeakMap<Query, string>();
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const query = readKnownQuery(request.url);
    const identify = identifier(parts, request);
    const list = ({ queries }: Reading) => queries.list(entity.name, identify, query);
    const page = await answerRead(parts, request, list, query.get("as_of"));
    const { body, tag } = replies.get(page) ?? replyOf(entity.name, page);
    replies.set(page, { body, tag });
    reply.header("etag", tag);
    if (page.next !== null) {
      const link = links.get(query) ?? linkOf(entity.name, query);
      links.set(query, link);
      reply.header("link", `<${link}${page.next}>; rel="next"`);
    }
    if (matchesNone(request.headers["if-none-match"], tag)) return reply.code(304).send();
    return reply.type(json).send(body);
  };
}

interface ListReply {
  /** As it is sent: it may be sent often. */
  readonly body: Buffer;
  readonly tag: string;
}

function replyOf(name: string, { body: records, limit, skip, next, total }: ShownPage): ListReply {
  const body = `{"${name}":${records},"page":${JSON.stringify({ limit, skip, next, total })}}`;
  return { body: Buffer.from(body), tag: weakTagOf(body) };
}

/** The address of the next page, but for its cursor, which needs no escape. */
function linkOf(name: string, query: Query): string {
  const here = [...query].filter(([parameter]) => parameter !== "skip" && parameter !== "cursor");
  return `/${name}?${new URLSearchParams([...here, ["cursor", ""]])}`;
}

/** Asks who sent the request, once for each scope that it takes: an API key is good for some only. */
function identifier(parts: HttpParts, request: FastifyRequest): Identify {
  let [latest, who]: [string | null, Promise<string | null>] = [null, nobody];
  return (entity, action) => {
    const scope = action === undefined ? readScope(entity) : actionScope(entity, action);
    if (scope === latest) return who;
    latest = scope;
    who = callerOf(parts, request, scope).then((caller) => caller.who);
    return who;
  };
}

const nobody: Promise<string | null> = Promise.resolve(null);

function impactRoute(parts: HttpParts, entity: EntityPlan) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const name = readQuery(request.url, ["action"]).get("action");
    if (name === undefined) throw wrongParameter("action", "must name an action: ?action=delete");
    const action = actionOnRecord(entity, name);
    const { who } = await callerOf(parts, request, actionScope(entity.name, name));
    const id = idOf(entity, request, parts, who);
    const shown = await answerRead(parts, request, ({ impact }) => impact.ask(entity, action, who, id));
    return reply.type(json).send(JSON.stringify(shown));
  };
}

const wrongParameter = (parameter: string, expected: string): Refusal =>
  new Refusal("invalid_query", { errors: [{ parameter, code: "invalid_parameter", parameters: { expected } }] });

/** Whether all is to be checked and nothing stored. */
export function readDryRun(query: Query): boolean {
  const text = query.get("dry_run");
  if (text !== undefined && text !== "true" && text !== "false") {
    throw wrongParameter("dry_run", "must be true or false");
  }
  return text === "true";
}

function actionRoute(parts: HttpParts, entity: EntityPlan, action: ActionPlan, route: string, partialUpdate: boolean) {
  const confirms = action.barrier !== null && action.barrier.confirm !== "never";
  const parameters = ["dry_run", ...(confirms ? ["confirm"] : [])];
  // A form may also send back what it read, in PUT and PATCH; those values need their types as well.
  const fields = [...action.input, ...entity.fields, ...stampFields];
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const query = readQuery(request.url, parameters);
    const dryRun = readDryRun(query);
    // The one parser of the server hands over the bytes (see server.ts).
    const bytes = request.body as Buffer | undefined;
    const contentType = request.headers["content-type"];
    const input = readInput(request, fields);
    const key = dryRun
      ? null
      : readKey(request.method, request.headers["idempotency-key"], {
          visitor: isVisitor(parts, request),
          required: action.demandsKey,
        });
    const { who, credential } = await callerOf(parts, request, actionScope(entity.name, action.name));
    const done = await parts.commands.execute({
      entity: entity.name,
      action: action.name,
      who,
      session: credential.kind === "session" ? credential.id : null,
      id: action.kind === "create" ? null : idOf(entity, request, parts, who),
      input,
      partial: partialUpdate && request.method === "PATCH",
      expected: expectedVersions(request.headers["if-match"]),
      requestId: request.id,
      dryRun,
      confirm: query.get("confirm") ?? null,
      idempotency: idempotencyOf(key, who, {
        method: request.method,
        url: request.url,
        route,
        contentType,
        body: bytes,
      }),
    });
    return answer(reply, entity, done, dryRun);
  };
}

const stampFields = [{ name: "version", kind: "integer" } as EntityPlan["fields"][number]]; // coercion reads these two only

function answer(reply: FastifyReply, entity: EntityPlan, done: CommandReply, dryRun: boolean) {
  if (done.outcome === "deleted") return reply.code(204).send();
  // Nothing is there to be found at an address or to be matched by a tag.
  if (dryRun)
    return reply
      .code(done.outcome === "created" ? 201 : 200)
      .type(json)
      .send(done.body);
  if (done.replayed) reply.header("idempotency-replayed", "true");
  if (done.outcome === "created") reply.code(201).header("location", `/${entity.name}/${done.id}`);
  return reply.header("etag", tagOf(done.version)).type(json).send(done.body);
}
