import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

/** A list as of a moment since which everything has changed folds a page's worth of records, not all of them. */
const many = 150;
const page = 7;

let app: TestApplication;
let client: pg.Client;
let moment: string;

beforeAll(async () => {
  app = await runDelivery("postgres");
  client = new pg.Client({ connectionString: app.databaseUrl ?? "", options: "-c timezone=UTC -c jit=off" });
  await client.connect();
  const { body: menu } = await app.call("GET", "/menu_items");
  const [item] = Array.isArray(menu.menu_items) ? menu.menu_items : [];
  const order = { restaurant_id: item.restaurant_id, items: [{ menu_item_id: item.id, quantity: 1 }] };
  const ids = await all(async () => (await app.call("POST", "/orders", "customer1", order)).body.id);
  const placed = await app.call("GET", `/orders/${ids.at(-1)}`, "customer1");
  moment = new Date(Math.max(Date.parse(String(placed.body.created_at)), await latest())).toISOString();
  const paid = await all(
    async (nth) => (await app.call("POST", `/orders/${ids[nth]}/confirm-payment`, "customer1")).status,
  );
  expect(new Set(paid)).toEqual(new Set([200]));
  await client.query("vacuum analyze");
}, 120_000);
afterAll(async () => {
  await client?.end();
  await app?.stop();
});

async function all<T>(work: (nth: number) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let nth = 0; nth < many; nth += 10) {
    results.push(...(await Promise.all(Array.from({ length: 10 }, (_, index) => work(nth + index)))));
  }
  return results;
}

async function latest(): Promise<number> {
  const { rows } = await client.query("select max(at) as at from gesta.events");
  return rows[0].at.getTime();
}

interface Node {
  readonly "Relation Name"?: string;
  readonly "Actual Loops": number;
  readonly Plans?: readonly Node[];
}
const nodesOf = (node: Node): readonly Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** How often events were looked up for one page. */
async function folds(who: string, asked: object): Promise<number> {
  await client.query("begin");
  try {
    await client.query("set local role gesta_owner");
    await client.query("select gesta.enter($1), set_config('gesta.wanted', $2::jsonb->>'values', true)", [
      seedId("users", who),
      JSON.stringify(asked),
    ]);
    const text = await client.query("select app.query_past_orders($1, false) as text", [JSON.stringify(asked)]);
    const { rows } = await client.query(`explain (analyze, format json) ${text.rows[0].text}`);
    return nodesOf(rows[0]["QUERY PLAN"][0].Plan)
      .filter((node) => node["Relation Name"] === "events")
      .reduce((sum, node) => sum + node["Actual Loops"], 0);
  } finally {
    await client.query("rollback");
  }
}

const callers = ["manager", "customer1", "staff1"];
const user = seedId("users", "customer1");
const lists = {
  "by id": { filters: [], keys: ["id"], last: [] },
  "newest first": { filters: [], keys: ["created_at", "id"], last: [] },
  "by a price that nobody changes": { filters: [], keys: ["final_price", "id"], last: [] },
  "of one customer": { filters: [["user_id", "eq"]], keys: ["created_at", "id"], last: [user] },
  "of a state that most are in": { filters: [["status", "eq"]], keys: ["id"], last: ["pending_payment"] },
};

test.each(callers.flatMap((who) => Object.entries(lists).map(([name, list]) => ({ who, name, list }))))(
  "$who, $name",
  async ({ who, list }) => {
    const asked = (direction: string) => {
      const values = [0, page + 1, page + 1, ...list.keys.map(() => null), ...list.last];
      const filters = list.filters.map(([field, op]) => [field, op, values.length - 1]);
      return { filters, sort: list.keys.map((key) => [key, direction, "first"]), values, as_of: moment };
    };
    // Two ways in which an order can be somebody's, and a few of the seed that were further on.
    for (const direction of ["asc", "desc"]) expect(await folds(who, asked(direction))).toBeLessThan(4 * (page + 1));
  },
);

test("the page is as it was", async () => {
  const { body } = await app.call("GET", `/orders?as_of=${moment}&sort=-created_at&limit=${many}`, "customer1");
  const states = Array.isArray(body.orders) ? body.orders.map(({ status }) => status) : [];
  expect(states).toHaveLength(many);
  expect(new Set(states)).toEqual(new Set(["pending_payment"]));
});
