import { endingLimit } from "../database/engine.ts";
import type { ListQuery } from "../domain/reading/list-query.ts";
import type { Json } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { EntityPlan } from "../plan/plan.ts";

/** A list as the database's functions take it, as JSON: see `find_…`. */
export interface ListAsk {
  /** All but the values: the same text for lists that differ in values alone. */
  readonly ask: string;
  readonly values: string;
}

export function askOf(query: ListQuery, entity: EntityPlan): ListAsk {
  const { sort, skip, limit, after, asOf, deleted } = query;
  const filters = query.filters.filter((filter) => !isBehind(filter, query, entity));
  const values: Json[] = [skip, limit + 1, skip + limit + 1, ...(after ?? sort.map(() => null))];
  const placed = filters.map(({ field, op, value }) => [field, op, values.push(value) - 1]);
  const keys = sort.map(({ field, direction }, nth) => [
    field,
    direction,
    after === null ? "first" : after[nth] === null ? "null" : "value",
  ]);
  const ask = JSON.stringify({
    ...{ filters: placed, sort: keys },
    ...(asOf === null ? {} : { as_of: asOf }),
    ...(deleted === null ? {} : { deleted }),
    ...(skip === 0 ? {} : { skips: true }),
  });
  return { ask, values: JSON.stringify(values) };
}

/**
 * Whether all that comes after the cursor passes a filter: a bound that lies behind it, in the order of this very field.
 * PostgreSQL takes one of two bounds to begin at in an index, and with this one would walk from there to each page anew.
 * Fields that may have no value, or not for everybody, are compared in another way; e-mails are ordered by other letters
 * than they are compared by.
 */
function isBehind(
  { field, op }: ListQuery["filters"][number],
  { sort: [first], after, asOf, deleted }: ListQuery,
  { members }: EntityPlan,
): boolean {
  if (after === null || after[0] == null || asOf !== null || deleted !== null || first?.field !== field) return false;
  const member = members.find(({ name }) => name === field);
  if (member === undefined || member.optional || member.readBy !== null || member.kind === "email") return false;
  return (first.direction === "desc" ? ["lt", "lte"] : ["gt", "gte"]).includes(op);
}

/** The same with the values, for what is asked about one list. */
export function askedWhole(query: ListQuery, entity: EntityPlan): string {
  const { ask, values } = askOf(query, entity);
  return `${ask.slice(0, -1)},"values":${values}}`;
}

/** A filter that no index serves reads many rows, and so does a past that much has changed since: whoever asks learns that. */
export const inTime = <T>(work: Promise<T>, questions: readonly { readonly query: ListQuery }[]): Promise<T> =>
  work.catch((error: unknown) => {
    if (endingLimit(error) !== "statement" || questions.length > 1) throw error;
    if (questions.some(({ query }) => query.asOf !== null)) {
      const detail = {
        en: "The list took too long to find: many records have changed since `as_of`. Ask for a later moment, or in the order of `id`.",
        ru: "Поиск списка занял слишком много времени: с момента `as_of` изменилось много записей. Возьмите момент позже или порядок по `id`.",
      };
      throw new Refusal("overloaded", { retryAfter: 5, detail }, error);
    }
    const detail = {
      en: "The list took too long to find. Narrow it with a filter that has an index: any but `contains`.",
      ru: "Поиск списка занял слишком много времени. Сузьте его отбором, у которого есть индекс: любым, кроме `contains`.",
    };
    throw new Refusal("overloaded", { retryAfter: 5, detail }, error);
  });
