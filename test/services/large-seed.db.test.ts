import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { crud } from "../../src/declare/action.ts";
import { type Application, application, type SeedStep, seedId } from "../../src/declare/application.ts";
import { entity } from "../../src/declare/entity.ts";
import { integer } from "../../src/declare/field.ts";
import { anyone } from "../../src/declare/policy.ts";
import { startApplication } from "../../src/gesta.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import type { Observation } from "../../src/kernel/observation.ts";
import { verifyApplication } from "../../src/operations.ts";
import { SeedUnfinished } from "../../src/services/sowing.ts";
import { type FreshDatabase, freshDatabase } from "../support/fresh-database.ts";
import { engines } from "../support/running-application.ts";

/** Orders of delivery's large seed; a million by default outside of tests. */
const orders = Number(process.env.LARGE_SEED_ORDERS ?? 1200);
const secret = "signs the tokens of the large seed";

const counters = entity(
  "counters",
  { fields: { value: integer({ min: 0, max: 1_000_000 }) }, read: anyone },
  crud({ by: anyone }),
);
const counter = (action: string, number: number, value: number): SeedStep => ({
  entity: "counters",
  action,
  id: seedId("counters", String(number)),
  input: { value },
});
const all = Array.from({ length: 1500 }, (_, number) => number);

/** Counters are made, more than fit one statement; a hundred then count to two, each twice among its neighbours. */
const counting = (stop?: () => void) =>
  application("counting", {
    entities: [counters],
    *largeSeed(size) {
      yield [all.slice(0, size).map((number) => counter("create", number, 0))];
      stop?.();
      yield [1, 2].map((value) =>
        all
          .filter((n) => n < size && n < 100 && n % 2 === value - 1)
          .flatMap((n) => [counter("update", n, 1), counter("update", n, 2)]),
      );
    },
  });

function surroundings(environment: Readonly<Record<string, string>>, observed: Observation[] = []) {
  const configuration = readConfiguration(
    { PORT: "0", HOST: "127.0.0.1", GESTA_JWT_SECRET: secret, GESTA_SEED: "large", ...environment },
    () => "",
  );
  return { configuration, secret, observe: (observation: Observation) => void observed.push(observation) };
}

async function sow(declared: Application, environment: Readonly<Record<string, string>>, observed: Observation[] = []) {
  const running = await startApplication(declared, surroundings(environment, observed));
  await running.close();
}

describe.each(engines)("a large seed, on %s", (kind) => {
  const directories: string[] = [];
  const databases: FreshDatabase[] = [];
  afterAll(async () => {
    for (const database of databases) await database.drop();
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });

  /** The environment of a database of its own. */
  async function place(): Promise<Readonly<Record<string, string>>> {
    const directory = mkdtempSync(join(tmpdir(), "gesta-large-"));
    directories.push(directory);
    if (kind === "pglite") return { GESTA_DATA: directory };
    const database = await freshDatabase();
    databases.push(database);
    return { GESTA_DATA: directory, DATABASE_URL: database.url };
  }

  test("does its actions like all others: each record has its events", async () => {
    const environment = { ...(await place()), GESTA_SEED_ORDERS: "1100" };
    await sow(counting(), environment);
    const report = await verifyApplication(counting(), surroundings(environment));
    expect(report).toEqual({ streams: 1100, events: 1300, findings: [] });
  });

  test("one that did not come to its end is told at every start, and not taken for whole", async () => {
    const environment = { ...(await place()), GESTA_SEED_ORDERS: "3" };
    const stopped = counting(() => {
      throw new Error("stopped halfway");
    });
    await expect(sow(stopped, environment)).rejects.toThrow("stopped halfway");
    if (kind === "postgres")
      await onDatabase(
        environment,
        "update gesta.migrations set applied_at = now() - interval '1 minute' where name = 'seed'",
      );
    await expect(sow(counting(), environment)).rejects.toThrow(SeedUnfinished);
    await expect(sow(counting(), environment)).rejects.toThrow("Remove the database");
    await sow(counting(), { ...environment, GESTA_SEED: "none" });
  });

  test("a step that is refused is named", async () => {
    const wrong = application("counting", {
      entities: [counters],
      largeSeed: () => [[[counter("create", 1, 5), counter("create", 2, -1)]]],
    });
    const id = seedId("counters", "2");
    await expect(sow(wrong, await place())).rejects.toThrow(
      `The seed's counters.create of ${id} was not done: invalid`,
    );
  });
});

test("another process waits until the first has sown", async () => {
  const database = await freshDatabase();
  const environment = { DATABASE_URL: database.url, GESTA_SEED_ORDERS: "10" };
  await sow(counting(), environment);
  const other = await freshDatabase();
  const sown = { DATABASE_URL: other.url, GESTA_SEED_ORDERS: "10" };
  await sow(counting(), sown);
  await onDatabase(
    environment,
    "update gesta.migrations set hash = 'unfinished', applied_at = now() where name = 'seed'",
  );
  const second = sow(counting(), environment).then(() => "started");
  // Begun after it, on a database that is sown, and through before it.
  expect(await Promise.race([second, sow(counting(), sown).then(() => "waits")])).toBe("waits");
  await onDatabase(environment, "update gesta.migrations set hash = 'done' where name = 'seed'");
  expect(await second).toBe("started");
  await database.drop();
  await other.drop();
});

describe(`delivery with ${orders} orders`, () => {
  const observed: Observation[] = [];
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    await sow(delivery, { DATABASE_URL: database.url, GESTA_SEED_ORDERS: String(orders) }, observed);
  }, 120_000);
  afterAll(() => database.drop());

  test("has a thousand users, 200 restaurants, ten thousand menu items and that many orders more", async () => {
    const counted = await onDatabase(
      { DATABASE_URL: database.url },
      `select (select count(*) from app.users)::int as users, (select count(*) from app.restaurants)::int as restaurants,
              (select count(*) from app.menu_items)::int as menu_items, (select count(*) from app.orders)::int as orders,
              (select count(distinct status) from app.orders)::int as states`,
    );
    expect(counted).toEqual([{ users: 1000, restaurants: 200, menu_items: 10_000, orders: 40 + orders, states: 7 }]);
  });

  test("agrees with its events, about four for an order", async () => {
    const report = await verifyApplication(delivery, surroundings({ DATABASE_URL: database.url }));
    expect(report.findings).toEqual([]);
    const [{ events }] = await onDatabase(
      { DATABASE_URL: database.url },
      "select count(*)::int as events from gesta.events where entity = 'orders'",
    );
    expect(events / (orders + 40)).toBeGreaterThan(3.5);
    expect(events / (orders + 40)).toBeLessThan(4.5);
  });
});

async function onDatabase({ DATABASE_URL }: Readonly<Record<string, string>>, text: string) {
  const client = new pg.Client({ connectionString: DATABASE_URL });
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}
