import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, test } from "vitest";
import delivery from "../examples/delivery/application.ts";
import drinks from "../examples/drinks/application.ts";
import { ledgerSql } from "../src/database/schema/ledger.ts";
import { workflowDiagram } from "../src/emit/diagram/workflow-diagram.ts";
import { emitOpenApi } from "../src/emit/openapi/openapi-emitter.ts";
import { emitSchema } from "../src/emit/schema-emitter.ts";
import { makePlan } from "../src/plan/make-plan.ts";

const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** Compares with the file; `npm run golden` writes it anew, and the difference is reviewed like code. */
function golden(name: string, text: string): void {
  const path = `test/golden/${name}`;
  if (process.env.GOLDEN === "write") {
    mkdirSync("test/golden", { recursive: true });
    writeFileSync(path, text);
  }
  expect(text).toBe(readFileSync(path, "utf8"));
}

const audiences = [null, "customer", "staff", "manager", "admin"] as const;

describe.each([drinks, delivery])("the artefacts of $name", (application) => {
  const { plan } = makePlan(application);

  test("SQL", () => {
    const { tables, objects } = emitSchema(plan);
    golden(`${plan.name}.tables.sql`, `${tables}\n`);
    golden(`${plan.name}.objects.sql`, `${objects}\n`);
  });

  test.each(audiences)("a valid OpenAPI 3.1 document for %s", async (audience) => {
    const document = emitOpenApi(plan, audience);
    golden(`${plan.name}.${audience ?? "visitor"}.openapi.json`, pretty(document));
    const checked = await new Validator().validate(JSON.parse(JSON.stringify(document)));
    expect(checked.errors ?? []).toEqual([]);
    expect(checked.valid).toBe(true);
  });

  test("the plan is data: it survives JSON", () => {
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });
});

test("the ledger", () => golden("ledger.sql", ledgerSql));

test("the workflow of orders as a diagram", () => {
  const orders = makePlan(delivery).plan.entities.find(({ name }) => name === "orders");
  if (orders === undefined) throw new Error("delivery has orders");
  golden("orders.workflow.mmd", workflowDiagram(orders));
});

test("a visitor's document knows neither the staff's actions nor the states of an order", () => {
  const text = JSON.stringify(emitOpenApi(makePlan(delivery).plan, null));
  for (const word of ["/status", "on_way", "pending_payment", "confirm-payment", "staff_ids"])
    expect(text).not.toContain(word);
  const staff = JSON.stringify(emitOpenApi(makePlan(delivery).plan, "staff"));
  expect(staff).toContain("/orders/{id}/status");
  const customer = JSON.stringify(emitOpenApi(makePlan(delivery).plan, "customer"));
  expect([customer.includes("/orders/{id}/cancel"), customer.includes("/orders/{id}/status")]).toEqual([true, false]);
});
