import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { postgresEngine } from "../../src/database/engines/postgres.ts";
import { seedId } from "../../src/declare/application.ts";
import { signedCursors } from "../../src/kernel/cursor.ts";
import { silent } from "../../src/kernel/observation.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { pastRepository } from "../../src/repositories/past-repository.ts";
import { recordsRepository } from "../../src/repositories/records-repository.ts";
import { queriesService } from "../../src/services/queries-service.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

/**
 * A walk by cursor while others insert and delete: whatever was there all the time is met once.
 * GESTA_TEST_WALK: records (3,000); SEED: one run again.
 */
const many = Number(process.env.GESTA_TEST_WALK ?? 3_000);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const limit = Math.min(1000, Math.ceil(many / 30));

let app: TestApplication;
let owner: pg.Client;
beforeAll(async () => {
  app = await runDelivery("postgres");
  owner = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await owner.connect();
  await owner.query(
    `insert into app.drinks (name, price, version, created_at, updated_at)
       select 'drink ' || n % 50, n % 7, 1, now(), now() from generate_series(1, $1::int) n`,
    [many],
  );
}, 600_000);
afterAll(async () => {
  await owner?.end();
  await app?.stop();
});

interface Drink {
  readonly id: number;
  readonly name: string;
  readonly price: number;
}

test.each(["price", "-price", "name,-price", "-name,price", "id", "-id"])(
  `a walk by %s meets every drink once while others come and go (SEED=${seed})`,
  async (sort) => {
    const { rows } = await owner.query("select id::int from app.drinks where deleted_at is null and id % 5 <> 0");
    const staying = new Set(rows.map(({ id }) => id));
    const met = new Map<number, number>();
    let cursor: string | null = "";
    let pages = 0;
    while (cursor !== null) {
      const query = new URLSearchParams({ sort, limit: String(limit), "price[lte]": "5" });
      if (cursor !== "") query.set("cursor", cursor);
      const { status, body } = await app.call("GET", `/drinks?${query}`);
      expect(status).toBe(200);
      // The reply of a list, as api.md has it.
      const { drinks, page } = body as unknown as {
        readonly drinks: readonly Drink[];
        readonly page: { readonly next: string | null };
      };
      for (const { id } of drinks) met.set(id, (met.get(id) ?? 0) + 1);
      cursor = page.next;
      pages++;
      // New ones before, among and behind what was met; every fifth of the old ones goes, the last one met for one.
      const random = (of: number) => Math.abs(Math.imul(seed + pages, 2_654_435_761) >> 3) % of;
      await Promise.all([
        app.call("POST", "/drinks", null, { name: `drink ${random(60)}`, price: random(6) }),
        app.call("POST", "/drinks", null, { name: "", price: 1 }),
        ...drinks
          .slice(-3)
          .filter(({ id }) => id % 5 === 0)
          .map(({ id }) => app.call("DELETE", `/drinks/${id}`)),
        owner.query(
          "update app.drinks set deleted_at = now() where id % 5 = 0 and deleted_at is null and id % 97 = $1",
          [pages % 97],
        ),
      ]);
    }
    expect(pages).toBeGreaterThan(10);
    expect([...met].filter(([, times]) => times > 1)).toEqual([]);
    const priced = await owner.query("select id::int from app.drinks where price <= 5");
    const missed = priced.rows.filter(({ id }) => staying.has(id) && !met.has(id));
    expect(missed).toEqual([]);
  },
  600_000,
);

test("a page with two relations is three statements", async () => {
  const { plan } = makePlan(delivery);
  const engine = postgresEngine({ url: app.databaseUrl ?? "", poolSize: 2, observe: silent });
  try {
    let sent = 0;
    const counting = {
      ...engine,
      run: (...asked: Parameters<typeof engine.run>) => {
        sent++;
        return engine.run(...asked);
      },
    };
    const queries = queriesService({
      plan,
      records: recordsRepository(counting, plan),
      past: pastRepository(counting, plan),
      cursors: signedCursors("a secret"),
      roleOf: async () => "manager",
    });
    const asked = new Map([
      ["expand", "restaurant,user"],
      ["sort", "-created_at"],
      ["limit", "40"],
    ]);
    const { body } = await queries.list("orders", async () => seedId("users", "customer1"), asked);
    expect(JSON.parse(body).length).toBeGreaterThan(5);
    expect(body).toContain('"restaurant":{');
    expect(body).toContain('"user":{');
    expect(sent).toBe(3);
  } finally {
    await engine.close();
  }
});
