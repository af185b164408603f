import { expect, test } from "vitest";
import { anyone, application, crud, entity, instant, list, money, text } from "../../src/index.ts";
import { DeclarationError } from "../../src/plan/finding.ts";
import { makePlan } from "../../src/plan/make-plan.ts";

test("aggregates name what can be grouped by and measured, each once", () => {
  const fields = { name: text(), price: money(), sold: instant(), tags: list(text()), sum: money({ filter: true }) };
  const sales = entity(
    "sales",
    {
      fields,
      read: anyone,
      // Names and measures that the types would refuse, as JavaScript may send them.
      aggregates: {
        group: ["name", "nam", "tags", "price", "name"] as never,
        of: { prise: ["sum"], price: ["sum", "summ", "sum"], sold: ["avg"], tags: ["min"], name: [] } as never,
      },
    },
    crud({ by: anyone }),
  );
  const empty = entity(
    "notes",
    { fields: { tags: list(text()) }, read: anyone, aggregates: { of: { tags: ["min"] } } },
    crud({ by: anyone }),
  );
  let said: readonly string[] = [];
  try {
    makePlan(application("shop", { entities: [sales, empty] }));
  } catch (error) {
    if (!(error instanceof DeclarationError)) throw error;
    said = error.findings.map(({ path, fault, remedy }) => `${path}: ${fault}; ${remedy}`);
  }
  expect(said).toEqual([
    "sales.aggregates.group[1]: no field 'nam'; did you mean 'name'?",
    "sales.aggregates.group[2]: makes no groups, being of kind list; use one of: name, version",
    "sales.aggregates.group[3]: makes no groups, being of kind money; use one of: name, version",
    "sales.aggregates.group[4]: 'name' stands there twice; name it once",
    "sales.aggregates.of.prise: no field 'prise'; did you mean 'price'?",
    "sales.aggregates.of.price[1]: has no 'summ', being of kind money; did you mean 'sum'?",
    "sales.aggregates.of.price[2]: 'sum' stands there twice; name it once",
    "sales.aggregates.of.sold[0]: has no 'avg', being of kind instant; use some of: min, max",
    "sales.aggregates.of.tags: cannot be measured, being of kind list; use one of: price, sold, sum, version, created_at, updated_at",
    "sales.aggregates.of.name: cannot be measured, being of kind text; use one of: price, sold, sum, version, created_at, updated_at",
    "sales.fields.sum: 'sum' is a parameter of aggregates, so it cannot be filtered on there; rename the field, or remove `filter` or `aggregates`",
    "notes.aggregates.of.tags: cannot be measured, being of kind list; use one of: version, created_at, updated_at",
  ]);
});
