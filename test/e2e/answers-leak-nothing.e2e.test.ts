import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { audienceName, audiencesOf } from "../../src/plan/audience.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { operationsOf } from "../support/described-operations.ts";
import { type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

/**
 * What an audience is answered has no state and no action that its own document does not have: `/actions`, and the
 * refusals of every action of the application, its own and others'. A record's own state is told to whoever reads it.
 */
const { plan } = makePlan(delivery);
const speakers: Readonly<Record<string, string>> = { customer: "customer1", staff: "staff1" };
const states = plan.entities.flatMap(({ lifecycle }) => lifecycle?.states ?? []);
const actions = plan.entities.flatMap((entity) => entity.actions.map(({ name }) => name));

/** Of every state, and foreign as well as own ones. */
const targets: Readonly<Record<string, readonly string[]>> = {
  drinks: ["1"],
  users: ["customer1", "customer2", "staff1", "admin"].map((name) => seedId("users", name)),
  restaurants: [1, 2, 3].map((number) => seedId("restaurants", String(number))),
  menu_items: ["100", "200"].map((name) => seedId("menu_items", name)),
  promotions: [seedId("promotions", "TEN")],
  orders: [0, 1, 6, 12, 17, 18, 24, 27, 28, 30, 36].map((index) => seedId("orders", String(index))),
};

let application: TestApplication;
beforeAll(async () => {
  application = await runDelivery("postgres");
  await application.call("POST", "/drinks", null, { name: "Jack", price: 10 });
});
afterAll(() => application.stop());

const wordsIn = (text: string): ReadonlySet<string> =>
  new Set((text.match(/[a-z]+(?:[-_][a-z]+)*/g) ?? []).map((word) => word.replaceAll("-", "_")));
const secrets = [...new Set([...states, ...actions])];
const listed = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.map((each) => (typeof each === "string" ? each : String(each.name))) : [];

test.each(audiencesOf(plan).map(audienceName))("what a %s is answered, its document says", async (audience) => {
  const who = audience === "visitor" ? null : (speakers[audience] ?? audience);
  const document = await application.call("GET", "/openapi.json", who);
  const spoken = wordsIn(document.text);
  const paths = new Set(operationsOf(document.body).map(({ method, path }) => `${method} ${path}`));
  const seen = new Map<number, number>();

  const check = (reply: Reply, entity: string, status: unknown, label: string): void => {
    seen.set(reply.status, (seen.get(reply.status) ?? 0) + 1);
    const found = [...wordsIn(reply.text)].filter((word) => secrets.includes(word));
    expect(
      found.filter((word) => !spoken.has(word) && word !== status),
      `${label} ${reply.text}`,
    ).toEqual([]);
    for (const name of [...listed(reply.body.actions), ...listed(reply.body.allowed_actions)]) {
      const action = plan.entities.find((each) => each.name === entity)?.actions.find((each) => each.name === name);
      expect(paths, `${label} names ${name}`).toContain(`${action?.method} /${entity}${action?.path}`);
    }
  };

  for (const entity of plan.entities) {
    for (const id of targets[entity.name] ?? []) {
      const record = await application.call("GET", `/${entity.name}/${id}`, who);
      let status = record.status === 200 ? record.body.status : undefined;
      check(
        await application.call("GET", `/${entity.name}/${id}/actions`, who),
        entity.name,
        status,
        `actions of ${entity.name}/${id}`,
      );
      for (const action of entity.actions.filter(({ kind }) => kind === "move" || kind === "change")) {
        const body = typeof action.event === "string" ? {} : { status: "delivered" };
        const path = `/${entity.name}${action.path.replace("{id}", id)}`;
        // Nobody is to be deactivated here: a version that is none stands in the way of whatever would be done.
        const headers: Readonly<Record<string, string>> = entity.name === "users" ? { "if-match": '"999"' } : {};
        const reply = await application.call(action.method, path, who, body, headers);
        if (reply.status < 400) status = reply.body.status;
        else if (reply.status !== 422) check(reply, entity.name, status, `${action.name} of ${entity.name}/${id}`);
      }
    }
  }
  expect(seen.get(200) ?? 0, JSON.stringify([...seen])).toBeGreaterThan(3);
  expect((seen.get(401) ?? 0) + (seen.get(403) ?? 0) + (seen.get(404) ?? 0)).toBeGreaterThan(3);
  if (["customer", "staff", "admin"].includes(audience)) expect(seen.get(409) ?? 0).toBeGreaterThan(1);
});

test("a broad update that is not taken names the intents, and none that are staff's", async () => {
  const reply = await application.call("PATCH", `/orders/${seedId("orders", "0")}`, null, { reason: "x" });
  expect(reply.status).toBe(405);
  expect(reply.body.detail).toContain("POST /orders/{id}/cancel");
  expect(reply.body.detail).not.toContain("/status");
});
