import { expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import type { ListQuery } from "../../src/domain/reading/list-query.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { FieldPlan } from "../../src/plan/plan.ts";
import { askOf } from "../../src/repositories/list-question.ts";

const { plan } = makePlan(delivery);
const first: ListQuery = {
  ...{ fields: null, expansions: [], count: "none", limit: 20, skip: 0, asOf: null, deleted: null, after: null },
  filters: [{ field: "price", op: "lte", value: "5" }],
  sort: [
    { field: "price", direction: "desc" },
    { field: "id", direction: "desc" },
  ],
};

/** The operators that are asked for, of a list of drinks. */
function asked(query: Partial<ListQuery>, change: Partial<FieldPlan> = {}): readonly string[] {
  const drinks = plan.entities.find(({ name }) => name === "drinks");
  if (drinks === undefined) throw new Error("no drinks");
  const ask: { readonly filters: readonly (readonly string[])[] } = JSON.parse(
    askOf({ ...first, ...query }, { ...drinks, members: drinks.members.map((field) => ({ ...field, ...change })) }).ask,
  );
  return ask.filters.map(([, op = ""]) => op);
}

test("a bound that lies behind the cursor is not asked for again, and every other one is", () => {
  const after = [4, 17];
  const up: ListQuery["sort"] = [
    { field: "price", direction: "asc" },
    { field: "id", direction: "asc" },
  ];
  const of = (op: ListQuery["filters"][number]["op"]): ListQuery["filters"] => [{ field: "price", op, value: "5" }];
  expect(asked({})).toEqual(["lte"]);
  expect(asked({ after })).toEqual([]);
  expect(asked({ after, filters: of("lt") })).toEqual([]);
  expect(asked({ after, filters: of("gte") })).toEqual(["gte"]);
  expect(asked({ after, filters: of("eq") })).toEqual(["eq"]);
  expect(asked({ after, sort: up })).toEqual(["lte"]);
  expect(asked({ after, sort: up, filters: of("gt") })).toEqual([]);
  expect(asked({ after: [null, 17] })).toEqual(["lte"]);
  expect(asked({ after }, { kind: "email" })).toEqual(["lte"]);
  expect(asked({ after }, { optional: true })).toEqual(["lte"]);
  expect(asked({ after }, { readBy: { kind: "nobody" } })).toEqual(["lte"]);
  expect(asked({ after, asOf: "2026-01-01T00:00:00.000Z" })).toEqual(["lte"]);
  expect(asked({ after, deleted: "include" })).toEqual(["lte"]);
  expect(asked({ after: ["a", 17], sort: [{ field: "name", direction: "desc" }] })).toEqual(["lte"]);
});
