import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { postgresEngine } from "../../src/database/engines/postgres.ts";
import { seedId } from "../../src/declare/application.ts";
import { type RunningApplication, startApplication } from "../../src/gesta.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { silent } from "../../src/kernel/observation.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { recordsRepository } from "../../src/repositories/records-repository.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

/** `GESTA_BATCHING=off`: the same answers, each by a statement of its own. */
let app: TestApplication;
let alone: RunningApplication;
beforeAll(async () => {
  app = await runDelivery("postgres");
  const configuration = readConfiguration(
    { HOST: "127.0.0.1", PORT: "0", DATABASE_URL: app.databaseUrl ?? "", GESTA_BATCHING: "off" },
    () => "",
  );
  alone = await startApplication(delivery, { ...app.around, configuration });
});
afterAll(async () => {
  await alone?.close();
  await app?.stop();
});

test("answers are the same without batches", async () => {
  const order = seedId("orders", "3");
  const paths = [`/orders/${order}`, `/orders/${order}?as_of=2020-01-01T00:00:00Z`, `/orders/${order}/history`];
  const lists = [
    "/orders?limit=5",
    "/orders?limit=5&sort=-created_at&status=accepted",
    "/menu_items?expand=restaurant",
  ];
  const askedAt = (origin: string, path: string, token: string) =>
    fetch(`${origin}${path}`, { headers: { authorization: `Bearer ${token}` } }).then(async (reply) => ({
      status: reply.status,
      etag: reply.headers.get("etag"),
      body: (await reply.text()).replaceAll(/"request_id":"[^"]+"|http:[^"]+problems/g, ""),
    }));
  const tokens = await Promise.all(["manager", "customer1", "customer2"].map(app.token));
  const questions = [...paths, ...lists, "/drinks/999999"].flatMap((path) => tokens.map((token) => ({ path, token })));
  const all = (origin: string) => Promise.all(questions.map(({ path, token }) => askedAt(origin, path, token)));
  const answers = await all(alone.url);
  expect(answers).toEqual(await all(app.running.url));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 404]));
});

test("writes that come at once are each its own, refusals too", async () => {
  const made = await Promise.all(
    Array.from({ length: 40 }, async (_, price) => {
      const reply = await fetch(`${alone.url}/drinks`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: price % 4 === 0 ? "" : `drink ${price}`, price }),
      });
      return reply.status;
    }),
  );
  expect(made).toEqual(Array.from({ length: 40 }, (_, price) => (price % 4 === 0 ? 422 : 201)));
});

test.each([
  { unbatched: true, statements: 12 },
  { unbatched: undefined, statements: 1 },
])(
  "twelve reads at once are $statements statement(s) where unbatched is $unbatched",
  async ({ unbatched, statements }) => {
    const engine = postgresEngine({ url: app.databaseUrl ?? "", poolSize: 4, observe: silent });
    try {
      let sent = 0;
      const records = recordsRepository(
        {
          ...engine,
          ...(unbatched ? { unbatched } : {}),
          run: (...asked) => {
            sent++;
            return engine.run(...asked);
          },
        },
        makePlan(delivery).plan,
      );
      const who = seedId("users", "manager");
      const read = Array.from({ length: 12 }, (_, nth) => records.read("orders", who, seedId("orders", String(nth))));
      expect((await Promise.all(read)).map(({ outcome }) => outcome)).toEqual(Array(12).fill("found"));
      expect(sent).toBe(statements);
    } finally {
      await engine.close();
    }
  },
);
