import type { Cursors } from "../../kernel/cursor.ts";
import type { Fault } from "../../kernel/fault.ts";
import type { Json } from "../../kernel/json.ts";
import { pageParameters, readPageSize } from "../../kernel/page.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { HistoryPage } from "../../services/history-service.ts";
import { readQuery } from "./query-string.ts";

/** What a cursor of a history belongs to. */
export interface HistoryOf {
  readonly entity: string;
  /** The record as the path names it. */
  readonly id: string;
  readonly newestFirst: boolean;
}

/** The cursor of the page beyond this version. */
export const cursorBeyond = (cursors: Cursors, of: HistoryOf, version: number): string =>
  cursors.make(boundTo(of), [version]);

const boundTo = ({ entity, id, newestFirst }: HistoryOf): Json => ({ history: entity, id, newestFirst });

/** Reads which page of a history is wanted. @throws Refusal `invalid_query` with every fault. */
export function readHistoryQuery(url: string, entity: string, id: string, cursors: Cursors): HistoryPage {
  const query = readQuery(url, ["order", ...pageParameters]);
  const errors: Fault[] = [];
  const wrong = (parameter: string, expected: string) =>
    errors.push({ parameter, code: "invalid_parameter", parameters: { expected } });
  const order = query.get("order") ?? "asc";
  if (order !== "asc" && order !== "desc") wrong("order", "must be `asc` or `desc`");
  const newestFirst = order === "desc";
  const size = readPageSize(query, errors);
  const cursor = query.get("cursor");
  const [beyond] = (cursor === undefined ? null : cursors.read(boundTo({ entity, id, newestFirst }), cursor)) ?? [];
  if (cursor !== undefined && beyond === undefined) {
    wrong("cursor", "must be a cursor that this history gave, in the same order");
  }
  if (errors.length > 0) throw new Refusal("invalid_query", { errors });
  return { ...size, newestFirst, beyond: typeof beyond === "number" ? beyond : null };
}
