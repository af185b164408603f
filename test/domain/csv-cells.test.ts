import { expect, test } from "vitest";
import { cellOf, headerFaults, inputOfCells } from "../../src/domain/csv-cells.ts";
import {
  anyone,
  application,
  boolean,
  crud,
  entity,
  integer,
  list,
  money,
  object,
  reference,
  text,
} from "../../src/index.ts";
import { makePlan } from "../../src/plan/make-plan.ts";

const things = entity(
  "things",
  {
    fields: {
      name: text({ max: 100 }),
      amount: integer({ optional: true }),
      price: money({ optional: true }),
      good: boolean({ optional: true }),
      tags: list(text({ max: 20 }), { max: 5, optional: true }),
      size: object({ width: integer() }, { optional: true }),
      other_id: reference("things", { optional: true }),
    },
    read: anyone,
  },
  crud({ by: anyone, bulk: true }),
);
const [plan] = makePlan(application("cells", { entities: [things] })).plan.entities;
const fields = plan?.fields ?? [];
const byName = new Map(fields.map((field) => [field.name, field]));
const read = (header: readonly string[], cells: readonly (string | null)[]) => inputOfCells(byName, header, cells);

test("cells get the declared types, empty ones are unset, quoted empty ones are text", () => {
  const header = ["name", "amount", "price", "good", "tags", "size"];
  expect(read(header, ["", "7", "-1.50", "true", '["a","b"]', '{"width":3}'])).toEqual({
    input: { name: "", amount: 7, price: -1.5, good: true, tags: ["a", "b"], size: { width: 3 } },
    faults: [],
  });
  expect(read(header, [null, null, null, null, null, null])).toEqual({ input: {}, faults: [] });
  expect(read(["amount", "good"], ["many", "yes"]).input).toEqual({ amount: "many", good: "yes" });
  expect(read(["tags"], ["a;b"]).faults).toMatchObject([{ pointer: "/tags", code: "format" }]);
});

test("a text that a spreadsheet would run is written behind an apostrophe and read as it was", () => {
  for (const name of ["=1+1", "+7 900", "-x", "@sum", "\tx", "'=1", "''@", "'", "'quoted'", "plain", ""]) {
    const cell = cellOf(name);
    expect(String(cell)).not.toMatch(/^[=+\-@\t\r]/);
    expect(read(["name"], [String(cell)]).input).toEqual({ name });
  }
  expect([cellOf(-1), cellOf(null), cellOf(false), cellOf(["=a"])]).toEqual([-1, null, "false", '["=a"]']);
});

test("a header is refused for what cannot be imported, with what was meant", () => {
  expect(headerFaults(fields, ["nam", "version", "name", "name"])).toEqual([
    "column 'nam' cannot be imported; did you mean 'name'?",
    expect.stringContaining("column 'version' cannot be imported"),
    "column 'name' is there twice",
  ]);
});
