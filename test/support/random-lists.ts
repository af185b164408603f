import fc from "fast-check";
import { expect } from "vitest";
import { type AskedFilter, type AskedKey, type BookRecord, kinds } from "./reading-model.ts";
import type { TestApplication } from "./running-application.ts";

const sortable = Object.keys(kinds).filter(
  (name) => !["tags", "reader_ids", "owner_id", "shelf_id", "updated_at"].includes(name),
);

const operators: Readonly<Record<string, readonly string[]>> = {
  list: ["contains", "is"],
  text: ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "is", "contains", "starts"],
  email: ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "is", "contains", "starts"],
  number: ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "is"],
  boolean: ["eq", "ne", "in", "nin", "is"],
  other: ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "is"],
};

/** A filter with a value that some record has, so that it usually finds something. */
export const filters = (all: readonly BookRecord[]): fc.Arbitrary<AskedFilter> =>
  fc.constantFrom(...Object.keys(kinds)).chain((field) => {
    const known = [...new Set(all.flatMap((record) => record[field] ?? []).map(String))];
    const value = fc.constantFrom(...known);
    const ops = field === "id" ? ["eq", "in"] : (operators[kinds[field] ?? "other"] ?? []);
    return fc.constantFrom(...ops).chain((op): fc.Arbitrary<AskedFilter> => {
      const of = (text: fc.Arbitrary<string>) => text.map((each) => ({ field, op, text: each }));
      if (op === "is") return of(fc.constantFrom("null", "not_null"));
      if (op === "in" || op === "nin") {
        const several = fc.array(value, { minLength: 1, maxLength: 3 });
        return of(several.map((values) => values.map((each) => each.replaceAll(",", "\\,")).join(",")));
      }
      if ((op === "contains" && kinds[field] !== "list") || op === "starts") {
        return of(
          fc.tuple(value, fc.nat(3), fc.boolean()).map(([text, length, upper]) => {
            const part = [...text].slice(0, length).join("");
            return upper && part.toUpperCase().toLowerCase() === part.toLowerCase() ? part.toUpperCase() : part;
          }),
        );
      }
      return of(value);
    });
  });

// `\,` is a comma, so a value that ends in a backslash before a comma of the list cannot be said; leave those out.
export const sayable = ({ op, text }: AskedFilter): boolean =>
  !((op === "in" || op === "nin") && /\\\\,|\\$/.test(text));

/** Random lists of books, with values that these records have. */
export const lists = (all: readonly BookRecord[]) =>
  fc.record({
    filters: fc.uniqueArray(filters(all).filter(sayable), { maxLength: 3, selector: ({ field, op }) => field + op }),
    sort: fc.uniqueArray(
      fc.record({ field: fc.constantFrom(...sortable.filter((name) => name !== "id")), descending: fc.boolean() }),
      { maxLength: 3, selector: ({ field }) => field },
    ),
    limit: fc.constantFrom(7, 30, 100),
    skipping: fc.boolean(),
  });

export function queryOf(asked: readonly AskedFilter[], sort: readonly AskedKey[]): URLSearchParams {
  const query = new URLSearchParams();
  for (const { field, op, text } of asked) query.append(op === "eq" ? field : `${field}[${op}]`, text);
  if (sort.length > 0)
    query.set("sort", sort.map(({ field, descending }) => (descending ? "-" : "") + field).join(","));
  return query;
}

/** All pages of a list. */
export async function pages(app: TestApplication, who: string, query: URLSearchParams, skipping: boolean) {
  const found: BookRecord[] = [];
  for (let next: string | null = ""; next !== null; ) {
    const here = new URLSearchParams(query);
    if (next !== "" && skipping) here.set("skip", String(found.length));
    else if (next !== "") here.set("cursor", next);
    const reply = await app.call("GET", `/books?${here}`, who);
    expect(reply.status, `${here}: ${reply.text}`).toBe(200);
    // The reply of a list, as api.md has it.
    const { books, page } = reply.body as unknown as {
      readonly books: readonly BookRecord[];
      readonly page: { readonly next: string | null; readonly total: number | null };
    };
    found.push(...books);
    next = page.next;
    if (next === null && query.has("count")) expect(page.total).toBe(found.length);
  }
  return found;
}
