import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { library, names } from "../support/library.ts";
import { lists, pages, queryOf } from "../support/random-lists.ts";
import { type BookRecord, inOrder, passes } from "../support/reading-model.ts";
import { engines, runApplication, type TestApplication } from "../support/running-application.ts";

/**
 * Filters, orders and pages against the same done in JavaScript over all records that the caller may see.
 * GESTA_TEST_READINGS: random lists for each caller (15); SEED: one run again.
 */
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env.GESTA_TEST_READINGS ?? 15);
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

async function rows(app: TestApplication, who: string, path: string): Promise<readonly BookRecord[]> {
  const { body } = await app.call("GET", path, who);
  return body[path.slice(1)] as readonly BookRecord[]; // a list's member is named like its path
}
