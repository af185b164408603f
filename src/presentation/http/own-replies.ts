import type { FastifyReply, FastifyRequest } from "fastify";
import type { Cursors } from "../../kernel/cursor.ts";
import { isUuid } from "../../kernel/identifier.ts";
import { isObject } from "../../kernel/json.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { OwnPage } from "../../services/own-things.ts";
import { cursorAfter, type PagedList, type PageQuery } from "./page-query.ts";
import { readInput } from "./request-input.ts";

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
  const cursor = next === null ? null : cursorAfter(cursors, list, next);
  if (cursor !== null) reply.header("link", `</${list.name}?limit=${limit}&cursor=${cursor}>; rel="next"`);
  const body = { [list.name]: things, page: { limit, skip, next: cursor, total: null } };
  return reply.type("application/json; charset=utf-8").send(JSON.stringify(body));
}
