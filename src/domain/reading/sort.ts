import type { Fault } from "../../kernel/fault.ts";
import { nearest } from "../../kernel/suggestion.ts";
import type { FieldPlan } from "../../plan/plan.ts";

export interface SortKey {
  readonly field: string;
  readonly direction: "asc" | "desc";
}

export const mostSortKeys = 5;

/**
 * Reads `sort=-created_at,name`. `id` breaks ties in the direction of the last key, so that one index serves both; it is
 * the order where none is asked for.
 */
export function readSort(text: string | undefined, members: readonly FieldPlan[], faults: Fault[]): readonly SortKey[] {
  const keys: SortKey[] = [];
  const open = members.filter(({ sort }) => sort).map(({ name }) => name);
  const wrong = (expected: string) =>
    faults.push({ parameter: "sort", code: "invalid_parameter", parameters: { expected } });
  const parts = text === undefined ? [] : text.split(",");
  if (parts.length > mostSortKeys) wrong(`must have at most ${mostSortKeys} fields`);
  for (const part of parts.slice(0, mostSortKeys)) {
    const field = part.replace(/^-/, "");
    if (field === "") {
      wrong("must name the fields to sort by: -created_at,name");
    } else if (!open.includes(field)) {
      const suggestion = nearest(field, open);
      faults.push({
        parameter: "sort",
        code: "not_sortable",
        parameters: { field, fields: open.join(", ") },
        ...(suggestion === undefined ? {} : { suggestion: part.startsWith("-") ? `-${suggestion}` : suggestion }),
      });
    } else if (keys.some((key) => key.field === field)) {
      wrong(`must name '${field}' once`);
    } else {
      keys.push({ field, direction: part.startsWith("-") ? "desc" : "asc" });
    }
  }
  return keys.some(({ field }) => field === "id")
    ? keys.slice(0, keys.findIndex(({ field }) => field === "id") + 1)
    : [...keys, { field: "id", direction: keys.at(-1)?.direction ?? "asc" }];
}
