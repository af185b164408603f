import type { Cursors } from "../../kernel/cursor.ts";
import type { Fault } from "../../kernel/fault.ts";
import type { Json } from "../../kernel/json.ts";
import { type PageSize, pageParameters, readPageSize } from "../../kernel/page.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { readQuery } from "./query-string.ts";

/** Which page of a list is wanted. */
export interface PageQuery extends PageSize {
  /** The id to go on after, or null. */
  readonly after: string | null;
}

/** A list of things that come in the order of their ids. */
export interface PagedList {
  readonly name: string;
}

/** The cursor of the page after the thing with this id. */
export const cursorAfter = (cursors: Cursors, list: PagedList, id: string): string => cursors.make(boundTo(list), [id]);

/** Reads `skip`, `limit` and `cursor`. @throws Refusal `invalid_query` with every fault. */
export function readPageQuery(url: string, list: PagedList, cursors: Cursors): PageQuery {
  const query = readQuery(url, pageParameters);
  const errors: Fault[] = [];
  const size = readPageSize(query, errors);
  const cursor = query.get("cursor");
  const [after] = (cursor === undefined ? null : cursors.read(boundTo(list), cursor)) ?? [];
  if (cursor !== undefined && after === undefined) {
    const parameters = { expected: "must be a cursor that a list of these records gave" };
    errors.push({ parameter: "cursor", code: "invalid_parameter", parameters });
  }
  if (errors.length > 0) throw new Refusal("invalid_query", { errors });
  return { ...size, after: typeof after === "string" ? after : null };
}

const boundTo = ({ name }: PagedList): Json => ({ own: name });
