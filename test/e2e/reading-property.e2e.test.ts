import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { library, names } from "../support/library.ts";
import { type AskedFilter, type AskedKey, type BookRecord, inOrder, kinds, passes } from "../support/reading-model.ts";
import { engines, runApplication, type TestApplication } from "../support/running-application.ts";

/**
 * Filters, orders and pages against the same done in JavaScript over all records that the caller may see.
 * GESTA_TEST_READINGS: random lists for each caller (15); SEED: one run again.
 */
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env.GESTA_TEST_READINGS ?? 15);
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
const filters = (all: readonly BookRecord[]): fc.Arbitrary<AskedFilter> =>
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
const sayable = ({ op, text }: AskedFilter): boolean => !((op === "in" || op === "nin") && /\\\\,|\\$/.test(text));

const lists = (all: readonly BookRecord[]) =>
  fc.record({
    filters: fc.uniqueArray(filters(all).filter(sayable), { maxLength: 3, selector: ({ field, op }) => field + op }),
    sort: fc.uniqueArray(
      fc.record({ field: fc.constantFrom(...sortable.filter((name) => name !== "id")), descending: fc.boolean() }),
      { maxLength: 3, selector: ({ field }) => field },
    ),
    limit: fc.constantFrom(7, 30, 100),
    skipping: fc.boolean(),
  });

function queryOf(asked: readonly AskedFilter[], sort: readonly AskedKey[]): URLSearchParams {
  const query = new URLSearchParams();
  for (const { field, op, text } of asked) query.append(op === "eq" ? field : `${field}[${op}]`, text);
  if (sort.length > 0)
    query.set("sort", sort.map(({ field, descending }) => (descending ? "-" : "") + field).join(","));
  return query;
}

describe.each(engines)(`random lists of a library on %s (SEED=${seed})`, (engine) => {
  let app: TestApplication;
  let all: readonly BookRecord[];

  beforeAll(async () => {
    app = await runApplication(library(seed, 60), engine);
    all = await pages(app, "keeper", new URLSearchParams({ limit: "1000" }), false);
    expect(all.length).toBe(60);
  }, 240_000);
  afterAll(() => app?.stop());

  test.each(names)(
    "%s gets what JavaScript finds, page by page",
    async (name) => {
      const visible = await pages(app, name, new URLSearchParams({ limit: "1000" }), false);
      await fc.assert(
        fc.asyncProperty(lists(all), async ({ filters: asked, sort, limit, skipping }) => {
          const query = queryOf(asked, sort);
          query.set("limit", String(limit));
          query.set("count", "exact");
          const found = await pages(app, name, query, skipping);
          const expected = visible
            .filter((record) => asked.every((filter) => passes(record, filter)))
            .sort(inOrder(sort));
          expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
          expect(found).toEqual(expected);
        }),
        { seed, numRuns: runs, endOnFailure: true },
      );
    },
    240_000,
  );

  test("each caller sees what the policy says, and the rank of a book only where it may", async () => {
    const keeperOf = new Map((await rows(app, "clerk", "/shelves")).map(({ id, keeper_id }) => [id, keeper_id]));
    const idOf = new Map((await rows(app, "keeper", "/people")).map(({ id, name }) => [name, id]));
    for (const name of names) {
      const me = idOf.get(name);
      const seen = await pages(app, name, new URLSearchParams({ limit: "1000" }), false);
      const expected = all.filter(
        (book) =>
          ["clerk", "keeper"].includes(name) || book.owner_id === me || keeperOf.get(book.shelf_id as string) === me,
      );
      expect(seen.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      const ranked = seen.filter((book) => "rank" in book).map(({ id }) => id);
      const mine = seen.filter((book) => name === "keeper" || book.owner_id === me);
      expect(ranked).toEqual(mine.map(({ id }) => id));
    }
  });
});

/** All pages of a list. */
async function pages(app: TestApplication, who: string, query: URLSearchParams, skipping: boolean) {
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

async function rows(app: TestApplication, who: string, path: string): Promise<readonly BookRecord[]> {
  const { body } = await app.call("GET", path, who);
  return body[path.slice(1)] as readonly BookRecord[]; // a list's member is named like its path
}
