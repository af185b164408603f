import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { signedCursors } from "../../src/kernel/cursor.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { RecordsRepository, Shown } from "../../src/repositories/records-repository.ts";
import { queriesService } from "../../src/services/queries-service.ts";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

const { plan } = makePlan(delivery);
const restaurant = seedId("restaurants", "1");

/** Pages of one dish each, which whoever reads records keeps, and the restaurant of them all, of such a length. */
function kitchen(
  length: number,
  pages: number,
  [entity, expand, field] = ["menu_items", "restaurant", "restaurant_id"],
) {
  const kept = Array.from({ length: pages }, (_, nth) => ({
    outcome: "listed" as const,
    next: null,
    body: `[{"id":"${seedId("menu_items", String(nth))}","${field}":"${restaurant}","name":"Borscht","version":1}]`,
  }));
  let asked = 0;
  // A new text at every read, as the database gives it.
  const readAll = async (): Promise<readonly Shown[]> => [
    {
      outcome: "found",
      version: 1,
      stamp: "1.1",
      body: Buffer.from(`{"id":"${restaurant}","name":"${"x".repeat(length)}"}`).toString(),
    },
  ];
  const unused = (): never => {
    throw new Error("nobody asks for this");
  };
  const records = { list: async () => kept[asked++ % pages], readAll } as unknown as RecordsRepository; // lists take no more
  const service = queriesService({
    ...{ plan, records, roleOf: async () => null },
    ...({ past: { at: unused, allAt: unused }, aggregates: { ask: unused } } as unknown as Pick<
      Parameters<typeof queriesService>[0],
      "past" | "aggregates"
    >), // no list of now asks them
    cursors: signedCursors("a secret of tests that is long enough"),
  });
  const query = new Map([["expand", expand]]);
  return () => service.list(entity, async () => restaurant, query);
}

test("short pages that refer to a long record do not keep it once for each of them", async () => {
  if (typeof collect !== "function") throw new Error("no way to collect garbage");
  const list = kitchen(50_000, 2000);
  await list();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let page = 0; page < 2000; page++) expect((await list()).body.length).toBeGreaterThan(50_000);
  collect();
  // All of them together have a hundred.
  expect((process.memoryUsage().heapUsed - before) / 1e6).toBeLessThan(10);
  // Whatever is kept was kept until here.
  expect((await list()).body.length).toBeGreaterThan(50_000);
});

test("what was made of a page is the very same as long as nothing has changed", async () => {
  const list = kitchen(100, 1);
  expect(await list()).toBe(await list());
});

test("what is personal is put in anew each time, however it is referred to", async () => {
  const list = kitchen(100, 1, ["files", "owner", "owner_id"]);
  const [first, second] = [await list(), await list()];
  expect(first).not.toBe(second);
  expect(first).toEqual(second);
  expect(first.body).toContain('"owner":{');
});
