import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, test } from "vitest";
import delivery from "../examples/delivery/application.ts";
import drinks from "../examples/drinks/application.ts";
import { ledgerSql } from "../src/database/schema/ledger.ts";
import { workflowFormats } from "../src/emit/diagram/workflow-formats.ts";
import { openApiFiles } from "../src/emit/openapi/openapi-files.ts";
import { emitSchema } from "../src/emit/schema-emitter.ts";
import { makePlan } from "../src/plan/make-plan.ts";

/** Compares with the file; `npm run golden` writes it anew, and the difference is reviewed like code. */
function golden(name: string, text: string): void {
  file(`test/golden/${name}`, text);
}

function file(path: string, text: string): void {
  if (process.env.GOLDEN === "write") {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  expect(text).toBe(readFileSync(path, "utf8"));
}

describe.each([drinks, delivery])("the artefacts of $name", (application) => {
  const { plan } = makePlan(application);

  test("SQL", () => {
    const { tables, objects } = emitSchema(plan);
    golden(`${plan.name}.tables.sql`, `${tables}\n`);
    golden(`${plan.name}.objects.sql`, `${objects}\n`);
  });

  // Delivery is the application of this repository, so its documents lie where `gesta openapi` puts them.
  test.each([...openApiFiles(plan)])("a valid OpenAPI 3.1 document: %s", async (name, text) => {
    file(plan.name === "delivery" ? `openapi/${name}` : `test/golden/${plan.name}.openapi.${name}`, text);
    const checked = await new Validator().validate(JSON.parse(text));
    expect(checked.errors ?? []).toEqual([]);
    expect(checked.valid).toBe(true);
  });

  test("the plan is data: it survives JSON", () => {
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });
});

test("the ledger", () => golden("ledger.sql", ledgerSql));

test("the workflow of orders in every form", () => {
  const orders = makePlan(delivery).plan.entities.find(({ name }) => name === "orders");
  if (orders === undefined) throw new Error("delivery has orders");
  golden("orders.workflow.mmd", workflowFormats.mermaid(orders));
  golden("orders.workflow.txt", workflowFormats.table(orders));
  golden("orders.workflow.xstate.json", workflowFormats.xstate(orders));
  golden("orders.workflow.json", workflowFormats.json(orders));
});
