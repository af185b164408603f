import { expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { emitOpenApi } from "../../src/emit/openapi/openapi-emitter.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { documentPage } from "../../src/presentation/http/document-page.ts";
import { operationsOf } from "../support/described-operations.ts";

test("the page shows every operation with its example and what each of its statuses means", () => {
  const document = emitOpenApi(makePlan(delivery).plan, "customer");
  const sections = documentPage(document).split("<h2>").slice(1);
  const operations = operationsOf(document);
  expect(sections.length).toBe(operations.length);
  for (const [index, { method, path, statuses, example }] of operations.entries()) {
    const section = sections[index] ?? "";
    expect(section).toContain(`<code>${method} ${path}</code>`);
    expect(section.includes("Example"), path).toBe(example !== undefined);
    for (const status of statuses) expect(section).toMatch(new RegExp(`<code>${status}</code> \\w+`));
  }
});
