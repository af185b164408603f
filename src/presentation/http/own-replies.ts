import type { FastifyReply, FastifyRequest } from "fastify";
import { isUuid } from "../../kernel/identifier.ts";
import { isObject } from "../../kernel/json.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { FieldPlan } from "../../plan/plan.ts";
import type { OwnPage } from "../../services/own-things.ts";
import { coerceForm } from "./form-body.ts";
import type { Cursors, PagedList, PageQuery } from "./page-query.ts";
import { readBody } from "./request-body.ts";

/** The body of a request for a caller's own things, its values typed by these fields. @throws Refusal `malformed` */
export function readInput(request: FastifyRequest, fields: readonly FieldPlan[]): unknown {
  // The one parser of the server hands over the bytes (see server.ts).
  const body = readBody(request.headers["content-type"], request.body as Buffer | undefined);
  switch (body.kind) {
    case "none":
      return {};
    case "json":
      return body.value;
    case "form":
      return coerceForm(body.pairs, fields);
  }
}

/** For operations that take no input: what is sent nevertheless is refused, as everywhere. @throws Refusal `invalid` */
export function refuseInput(request: FastifyRequest): void {
  const sent = readInput(request, []);
  if (!isObject(sent)) {
    throw Refusal.invalid([{ pointer: "", code: "type", parameters: { expected: "an object" } }]);
  }
  const names = Object.keys(sent).map((name) => name.replaceAll("~", "~0").replaceAll("/", "~1"));
  if (names.length > 0) throw Refusal.invalid(names.map((name) => ({ pointer: `/${name}`, code: "unknown_field" })));
}

/** The id in the path; one that cannot be is one that nothing has. */
export function ownIdOf(request: FastifyRequest): string {
  const { id = "" } = request.params as { readonly id?: string }; // the route has `:id`
  return isUuid(id) ? id.toLowerCase() : "00000000-0000-0000-0000-000000000000";
}

/** A page of a caller's own things, in the envelope of every list. */
export function sendOwnPage(
  reply: FastifyReply,
  cursors: Cursors,
  list: PagedList,
  { limit, skip }: PageQuery,
  { things, next }: OwnPage<object>,
): FastifyReply {
  const cursor = next === null ? null : cursors.make(list, next);
  if (cursor !== null) reply.header("link", `</${list.name}?limit=${limit}&cursor=${cursor}>; rel="next"`);
  const body = { [list.name]: things, page: { limit, skip, next: cursor, total: null } };
  return reply.type("application/json; charset=utf-8").send(JSON.stringify(body));
}
