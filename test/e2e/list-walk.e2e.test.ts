import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { postgresEngine } from "../../src/database/engines/postgres.ts";
import { seedId } from "../../src/declare/application.ts";
import { signedCursors } from "../../src/kernel/cursor.ts";
import { silent } from "../../src/kernel/observation.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { aggregatesRepository } from "../../src/repositories/aggregates-repository.ts";
import { pastRepository } from "../../src/repositories/past-repository.ts";
import { recordsRepository } from "../../src/repositories/records-repository.ts";
import { queriesService } from "../../src/services/queries-service.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

/**
 * A walk by cursor while others insert and delete: whatever was there all the time is met once.
 * GESTA_TEST_WALK: records (3,000); SEED: one run again. A million takes half an hour, most of it to make them and to
 * delete a fifth by hand, one event each: run it with `-t "meets every drink once"`.
 */
const many = Number(process.env.GESTA_TEST_WALK ?? 3_000);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Of a walk, in milliseconds. */
const patience = Math.max(600_000, 2 * many);
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
}, 1_800_000);
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
  patience,
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
      aggregates: aggregatesRepository(counting, plan),
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

test.each(["price", "-name,price", "id", "-id"])(
  `a walk by %s as of a moment meets what was there then, as it was, whoever writes (SEED=${seed})`,
  async (sort) => {
    // Changes of this one stand at the end of the time that is over.
    const last = await app.call("POST", "/drinks", null, { name: "the last", price: 1 });
    const moment = String(last.body.created_at);
    for (let now = moment; now <= moment; ) {
      const later = await app.call("PATCH", `/drinks/${last.body.id}`, null, { price: Math.random() });
      now = String(later.body.updated_at);
    }
    const asOf = new URLSearchParams({ sort, limit: String(limit), as_of: moment });
    const counted = await app.call("GET", `/drinks?${asOf}&count=exact`);
    const { total } = counted.body.page as { readonly total: number }; // as api.md has it
    const there = await owner.query(
      "select id::int, name, price::float from app.drinks where created_at <= $1 and deleted_at is null",
      [moment],
    );
    const met = new Map<number, Drink>();
    let cursor: string | null = "";
    while (cursor !== null) {
      const query = new URLSearchParams(asOf);
      if (cursor !== "") query.set("cursor", cursor);
      const reply = await app.call("GET", `/drinks?${query}`);
      expect(reply.status, reply.text).toBe(200);
      const { drinks, page } = reply.body as unknown as {
        readonly drinks: readonly Drink[];
        readonly page: { readonly next: string | null };
      };
      for (const drink of drinks) {
        expect(met.has(drink.id)).toBe(false);
        met.set(drink.id, drink);
      }
      cursor = page.next;
      const changing = [...drinks.slice(0, 2), ...drinks.slice(-2)].filter(({ id }) => id !== Number(last.body.id));
      const written = await Promise.all([
        app.call("POST", "/drinks", null, { name: `too late for ${sort}`, price: 0 }),
        ...changing.map(({ id }, nth) =>
          nth % 3 === 2
            ? app.call("DELETE", `/drinks/${id}`)
            : app.call("PATCH", `/drinks/${id}`, null, { price: 6.5, name: "changed" }),
        ),
      ]);
      for (const { status, text } of written) expect([200, 201, 204, 410], text).toContain(status);
    }
    expect(met.size).toBe(total);
    const expected = there.rows.map((drink) => (drink.id === Number(last.body.id) ? { ...drink, price: 1 } : drink));
    const byId = (a: { readonly id: number }, b: { readonly id: number }) => a.id - b.id;
    expect([...met.values()].map(({ id, name, price }) => ({ id, name, price })).sort(byId)).toEqual(
      expected.sort(byId),
    );
    expect([...met.values()].some(({ name }) => name === `too late for ${sort}`)).toBe(false);
  },
  patience,
);

test("a cursor belongs to its moment, and a moment to the past", async () => {
  const moment = String((await app.call("POST", "/drinks", null, { name: "one", price: 1 })).body.created_at);
  const { body } = await app.call("GET", `/drinks?limit=2&as_of=${moment}`);
  const { next } = body.page as { readonly next: string }; // as api.md has it
  const refusals = [
    [`cursor=${next}`, "cursor"],
    [`cursor=${next}&as_of=2026-01-01T00:00:00Z`, "cursor"],
    ["as_of=2999-01-01T00:00:00Z", "as_of"],
    ["as_of=2026-01-01", "as_of"],
    ["as_of=2026-01-01T00:00:00", "as_of"],
    ["as_of_version=1", "as_of_version"],
  ] as const;
  for (const [query, parameter] of refusals) {
    const reply = await app.call("GET", `/drinks?${query}`);
    expect([reply.status, reply.body.errors], query).toEqual([400, [expect.objectContaining({ parameter })]]);
  }
});

test("what is expanded beside a moment is of that moment too", async () => {
  const city = async (query: string) => {
    const { body } = await app.call("GET", `/orders?expand=restaurant&limit=1&fields=restaurant.city${query}`, "admin");
    return body.orders;
  };
  const { body } = await app.call("GET", "/orders?limit=1&expand=restaurant", "admin");
  const [order] = body.orders as readonly { readonly id: string; readonly restaurant: { readonly id: string } }[]; // as asked for
  const before = await city("");
  const { body: at } = await app.call("POST", "/drinks", null, { name: "a clock", price: 1 });
  const renamed = await app.call("PATCH", `/restaurants/${order?.restaurant.id}`, "admin", { city: "Elsewhere" });
  expect(renamed.status, renamed.text).toBe(200);
  expect(String(renamed.body.updated_at) > String(at.created_at)).toBe(true);
  expect(await city("")).toEqual([{ restaurant: { city: "Elsewhere" } }]);
  expect(await city(`&as_of=${at.created_at}`)).toEqual(before);
  const one = `/orders/${order?.id}?expand=restaurant&fields=restaurant.city`;
  expect((await app.call("GET", `${one}&as_of=${at.created_at}`, "admin")).body).toEqual({
    restaurant: { city: expect.not.stringMatching("Elsewhere") },
  });
  expect((await app.call("GET", `${one}&as_of_version=1`, "admin")).body).toEqual({
    restaurant: { city: expect.not.stringMatching("Elsewhere") },
  });
});
