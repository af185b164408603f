import fc from "fast-check";
import { describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { type Expansion, readExpand } from "../../src/domain/reading/expansion.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { expand, type ReadMany } from "../../src/services/expand-records.ts";
import { expandText, isSpliced, nestedNames, piecesOf } from "../../src/services/expand-text.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const { plan } = makePlan(delivery);
const orders = plan.entities.find(({ name }) => name === "orders");

const expansionsOf = (text: string): readonly Expansion[] => {
  if (orders === undefined) throw new Error("no orders in the plan");
  return readExpand(text, plan, orders, "manager", []);
};

/** Texts that look like members of a record. */
const words = fc.oneof(
  fc.constantFrom(',"user_id":"1"', '{"restaurant_id":"2"}', '\\","user_id":"1', "\n", '"', "\\"),
  fc.string({ unit: "binary" }),
);
const ids = fc.option(fc.constantFrom("a-1", "a-2", "a-3", "a-4"));
const record = fc.record({ reason: words, restaurant_id: ids, note: words, user_id: ids, items: fc.array(words) });

/** Each second record is seen; which were asked for is told. */
const readMany =
  (asked: string[]): ReadMany =>
  async (entity, wanted) => {
    asked.push(`${entity} ${wanted.join(" ")}`);
    return wanted.map((id) =>
      Number(id.slice(2)) % 2 === 0
        ? { outcome: "not_found" }
        : {
            outcome: "found",
            version: 1,
            stamp: "1.1",
            body: JSON.stringify({ id, name: `{,"user_id":"${id}"}`, user_id: "a-3" }),
          },
    );
  };

describe(`expansions as text (SEED=${seed})`, () => {
  test("come to the same as those of values, with the same questions", async () => {
    const expansions = expansionsOf("restaurant,user");
    expect(expansions).toHaveLength(2);
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 5 }), async (holders) => {
        const [asText, asValues]: [string[], string[]] = [[], []];
        const pieces = piecesOf(expansions, JSON.stringify(holders));
        const { body: text } = await expandText(readMany(asText), expansions, pieces);
        const values = await expand(readMany(asValues), expansions, holders);
        expect(text).toBe(JSON.stringify(values));
        expect(asText).toEqual(asValues);
      }),
      { seed, numRuns: 500 },
    );
  });

  test("go on below, for all records of a relation at once", async () => {
    const [restaurant] = expansionsOf("restaurant");
    const [user] = expansionsOf("user");
    if (restaurant === undefined || user === undefined) throw new Error("no such references");
    const expansions = [{ ...restaurant, further: [user] }];
    const holders = ["a-1", "a-2", "a-3", null].map((restaurant_id) => ({ restaurant_id }));
    const asked: string[] = [];
    const pieces = piecesOf(expansions, JSON.stringify(holders));
    const { body: text } = await expandText(readMany(asked), expansions, pieces);
    expect(JSON.parse(text)).toEqual(await expand(readMany([]), expansions, holders));
    expect(asked).toEqual(["restaurants a-1 a-2 a-3", "users a-3"]);
  });

  test("are for single references whose names stand nowhere else", () => {
    const [user] = expansionsOf("user");
    if (user === undefined) throw new Error("no such reference");
    expect([...nestedNames(plan)].sort()).toEqual(["menu_item_id", "quantity", "unit_price"]);
    expect(isSpliced([user], nestedNames(plan))).toBe(true);
    expect(isSpliced([{ ...user, many: true }], new Set())).toBe(false);
    expect(isSpliced([user], new Set(["user_id"]))).toBe(false);
    expect(isSpliced([{ ...user, further: [{ ...user, many: true }] }], new Set())).toBe(false);
  });
});
