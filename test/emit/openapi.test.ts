import { describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { implies } from "../../src/emit/openapi/audience.ts";
import { emitOpenApi } from "../../src/emit/openapi/openapi-emitter.ts";
import { actorHas, actorIn, actorIs, allOf, anyOf, anyone, nobody, signedIn } from "../../src/index.ts";
import { audienceName, audiencesOf, strangersOf } from "../../src/plan/audience.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { schemaChecker } from "../support/schema-check.ts";

const { plan } = makePlan(delivery);
const textFor = (audience: string | null) => JSON.stringify(emitOpenApi(plan, audience));

test("every role has a document, and visitors have one", () => {
  expect(audiencesOf(plan).map(audienceName)).toEqual([
    ...["visitor", "customer", "staff", "logistician", "manager", "admin"],
  ]);
  expect(strangersOf(plan)).toEqual([null, "customer"]);
});

describe("a visitor's document", () => {
  const text = textFor(null);
  const paths = Object.keys(JSON.parse(text).paths);

  test("has the operations of visitors and no others", () => {
    expect(paths).toEqual([
      ...["/drinks", "/drinks/{id}", "/drinks/{id}/actions", "/drinks/bulk", "/drinks/{id}/restore"],
      ...["/drinks/{id}/impact", "/users"],
      ...["/restaurants", "/restaurants/{id}", "/restaurants/{id}/actions"],
      ...["/menu_items", "/menu_items/aggregate", "/menu_items/{id}", "/menu_items/{id}/actions"],
      "/sessions",
    ]);
    const orders = plan.entities.find(({ name }) => name === "orders");
    for (const { path } of orders?.actions ?? [])
      if (path !== "" && path !== "/{id}" && path !== "/{id}/restore") expect(text).not.toContain(path.slice(5));
  });

  test("has no inner state, no role of the staff, no field that is not theirs, no event and no policy", () => {
    const states = ["pending_payment", "accepted", "cooking", "on_way", "delivered", "cancelled", "deactivated"];
    const roles = ["staff", "logistician", "manager", "admin"];
    const fields = ["staff_ids", "total_price", "final_price", "unit_price", "user_id", "promotion_code", "percent"];
    const events = plan.entities.flatMap(({ actions }) =>
      actions.flatMap(({ event }) => (typeof event === "string" ? [event] : Object.values(event))),
    );
    const policies = ["actor_has", "actor_is", "actor_in", "any_of", "signed_in", "status_now"];
    for (const word of [...states, ...roles, ...fields, ...events, ...policies]) expect(text).not.toContain(word);
  });

  test("takes nothing that the server decides", () => {
    const owned = ["role", "status", "version", "created_at", "updated_at", "id"];
    const { paths: items } = JSON.parse(text);
    const schema = items["/users"].post.requestBody.content["application/json"].schema;
    expect(Object.keys(schema.properties).filter((name) => owned.includes(name))).toEqual([]);
    expect(schema.additionalProperties).toBe(false);
  });
});

test("a customer's document has a customer's actions, staff's the staff's", () => {
  const [customer, staff, manager] = ["customer", "staff", "manager"].map((role) => JSON.parse(textFor(role)).paths);
  const ofOrders = (paths: object) => Object.keys(paths).filter((path) => path.startsWith("/orders"));
  expect(ofOrders(customer)).toEqual([
    "/orders",
    "/orders/aggregate",
    "/orders/{id}",
    "/orders/{id}/actions",
    "/orders/{id}/history",
    "/orders/{id}/confirm-payment",
    "/orders/{id}/cancel",
    "/orders/{id}/impact",
  ]);
  expect(ofOrders(staff)).toEqual([
    ...[
      "/orders",
      "/orders/aggregate",
      "/orders/{id}",
      "/orders/{id}/actions",
      "/orders/{id}/history",
      "/orders/{id}/cancel",
    ],
    "/orders/{id}/status",
    "/orders/{id}/impact",
  ]);
  expect(ofOrders(manager)).toEqual([
    "/orders",
    "/orders/aggregate",
    "/orders/{id}",
    "/orders/{id}/actions",
    "/orders/{id}/history",
  ]);
  expect(textFor("customer")).not.toContain("on_way");
});

/** Every example of a document with the schema beside it. */
function examplesIn(root: object, node: unknown, at: string): { at: string; schema: object; value: unknown }[] {
  if (Array.isArray(node)) return node.flatMap((each, index) => examplesIn(root, each, `${at}/${index}`));
  if (typeof node !== "object" || node === null) return [];
  const inside = Object.entries(node).flatMap(([key, value]) => examplesIn(root, value, `${at}/${key}`));
  if (!("schema" in node) || typeof node.schema !== "object" || node.schema === null) return inside;
  const { schema } = node;
  const own = "example" in node ? [{ at, schema, value: node.example }] : [];
  const named = "examples" in node ? Object.values(node.examples ?? {}) : [];
  return [
    ...inside,
    ...own,
    ...named.map((each) => ({ at, schema, value: Reflect.get(resolve(root, each.$ref), "value") })),
  ];
}

/** What a reference leads to; a wrong one fails the expectation. */
function resolve(root: object, ref: string) {
  const place = ref.split("/").slice(1);
  return place.reduce((at, name) => Reflect.get(at, name), root);
}

test.each(audiencesOf(plan))("the examples for %s fit their schemas, and no body is without one", (audience) => {
  const document = JSON.parse(textFor(audience));
  const ajv = schemaChecker();
  ajv.addSchema(document, "document", undefined, false);
  const examples = examplesIn(document, document, "");
  expect(examples.length).toBeGreaterThan(20);
  for (const { at, schema, value } of examples) {
    const local = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/'));
    expect(ajv.validate(local, value), `${at} ${JSON.stringify(ajv.errors)}`).toBe(true);
  }
  const bodies = textFor(audience).match(/"content":\{"application\/(json|problem\+json)":\{"schema":/g) ?? [];
  const withExample = examples.filter(({ at }) => /application\/(json|problem)/.test(at)).map(({ at }) => at);
  expect(new Set(withExample).size).toBe(bodies.length);
});

test("one policy implies another when its form says so", () => {
  const owner = actorIs("owner_id");
  const helper = actorIn("helper_ids", { audience: "staff" });
  const cases: readonly (readonly [Parameters<typeof implies>[0], Parameters<typeof implies>[1], string, boolean])[] = [
    [owner, anyone, "customer", true],
    [nobody, owner, "customer", true],
    [owner, owner, "customer", true],
    [owner, anyOf(helper, owner), "customer", true],
    [anyOf(owner, actorHas("admin")), owner, "customer", true],
    [anyOf(owner, actorHas("admin")), owner, "admin", false],
    [anyOf(owner, helper), owner, "customer", true],
    [anyOf(owner, helper), owner, "staff", false],
    [allOf(owner, helper), owner, "staff", true],
    [owner, allOf(owner, signedIn), "staff", true],
    [owner, allOf(owner, helper), "staff", false],
    [anyone, owner, "customer", false],
  ];
  for (const [from, to, audience, holds] of cases) {
    expect(implies(from, to, audience), JSON.stringify([from, to, audience])).toBe(holds);
  }
});
