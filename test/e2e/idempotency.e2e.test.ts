import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

/** Keys and duplicates of the race; GESTA_TEST_KEYS raises the first. */
const keys = Number(process.env.GESTA_TEST_KEYS ?? 20);
const duplicates = 50;

const order = {
  restaurant_id: seedId("restaurants", "1"),
  items: [{ menu_item_id: seedId("menu_items", "100"), quantity: 2 }],
};

describe.each(["pglite", "postgres"] as const)("an Idempotency-Key on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(() => app.stop());

  const send = (method: string, path: string, as: string | null, key: string, body?: unknown) =>
    app.call(method, path, as, body, { "idempotency-key": key });
  const place = (key: string, as = "customer1") => send("POST", "/orders", as, key, order);

  test("replays the first answer byte by byte, with its headers", async () => {
    const key = randomUUID();
    const first = await place(key);
    const again = await place(`"${key}"`);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.text).toBe(first.text);
    for (const name of ["etag", "location"]) expect(again.headers.get(name)).toBe(first.headers.get(name));
    expect([first, again].map(({ headers }) => headers.get("idempotency-replayed"))).toEqual([null, "true"]);
  });

  test("belongs to its caller, its method and its route", async () => {
    const key = randomUUID();
    const [mine, theirs] = [await place(key), await place(key, "customer2")];
    expect(theirs.body.id).not.toBe(mine.body.id);
    const paid = await send("POST", `/orders/${mine.body.id}/confirm-payment`, "customer1", key);
    expect(paid.status).toBe(200);
  });

  test("is refused for another request", async () => {
    const key = randomUUID();
    await place(key);
    const other = await send("POST", "/orders", "customer1", key, { ...order, promotion_code: "TEN" });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_mismatch"]);
    const invalid = await send("POST", "/orders", "customer1", key, { ...order, items: [] });
    expect([invalid.status, invalid.body.code]).toEqual([422, "idempotency_mismatch"]);
  });

  test("answers as before when the record has gone on since", async () => {
    const placed = await place(randomUUID());
    const key = randomUUID();
    const path = `/orders/${placed.body.id}/confirm-payment`;
    const paid = await send("POST", path, "customer1", key);
    expect(paid.body.status).toBe("accepted");
    await app.call("POST", `/orders/${placed.body.id}/status`, "staff1", { status: "cooking" });
    const again = await send("POST", path, "customer1", key);
    expect([again.status, again.text]).toEqual([200, paid.text]);
    const without = await app.call("POST", path, "customer1");
    expect([without.status, without.body.code]).toEqual([409, "transition_not_allowed"]);
  });

  test("is not used up by a refused try", async () => {
    const key = randomUUID();
    const bad = await send("POST", "/drinks", null, key, { name: "", price: 1 });
    expect(bad.status).toBe(422);
    const good = await send("POST", "/drinks", null, key, { name: "Jack", price: 1 });
    expect([good.status, good.headers.get("idempotency-replayed")]).toEqual([201, null]);
  });

  test("remembers that nothing was to be changed", async () => {
    const drink = await app.call("POST", "/drinks", null, { name: "Rum", price: 10 });
    const [key, path] = [randomUUID(), `/drinks/${drink.body.id}`];
    const same = await send("PATCH", path, null, key, { price: 10 });
    expect([same.status, same.body.version]).toEqual([200, 1]);
    await app.call("PATCH", path, null, { price: 12 });
    const again = await send("PATCH", path, null, key, { price: 10 });
    expect([again.status, again.text]).toEqual([200, same.text]);
    expect((await app.call("GET", path, null)).body.price).toBe(12);
  });

  test("does not let in whom the policy keeps out", async () => {
    const key = randomUUID();
    const placed = await place(key);
    const path = `/orders/${placed.body.id}/cancel`;
    expect((await send("POST", path, "customer2", key)).status).toBe(404);
    expect((await send("POST", path, null, key)).status).toBe(401);
    expect((await send("POST", path, "manager", key)).status).toBe(403);
  });

  test.each(["", "a b", "é", "x".repeat(256), '"', '""', 'a"b', "a, b"])("is refused as %j", async (key) => {
    const reply = await send("POST", "/orders", "customer1", key, order);
    expect([reply.status, reply.body.code]).toEqual([400, "idempotency_key_invalid"]);
  });

  test("must be long for visitors, and means nothing on PUT and DELETE", async () => {
    const short = await send("POST", "/drinks", null, "short", { name: "Gin", price: 1 });
    expect([short.status, short.body.code]).toEqual([400, "idempotency_key_invalid"]);
    const { body } = await app.call("POST", "/drinks", null, { name: "Gin", price: 1 });
    expect((await send("PUT", `/drinks/${body.id}`, null, "!", { name: "Gin", price: 2 })).status).toBe(200);
    expect((await send("DELETE", `/drinks/${body.id}`, null, "!")).status).toBe(204);
  });
});

describe("many duplicates at once on postgres", () => {
  let app: TestApplication;
  const ordersOf = async (): Promise<number> => {
    let [count, next] = [0, ""];
    do {
      const { body } = await app.call("GET", `/orders?limit=1000${next}`, "customer1");
      const { orders, page } = body as unknown as { orders: unknown[]; page: { next: string | null } }; // api.md: a list
      count += orders.length;
      next = page.next === null ? "" : `&cursor=${page.next}`;
    } while (next !== "");
    return count;
  };
  beforeAll(async () => {
    app = await runDelivery("postgres");
  });
  afterAll(() => app.stop());

  test(
    `${keys} keys, ${duplicates} parallel requests each: one order a key, equal replies, nothing but 201 and 409`,
    async () => {
      const before = await ordersOf();
      const made = new Set<string>();
      for (let round = 0; round < keys; round += 5) {
        const five = Array.from({ length: Math.min(5, keys - round) }, () => randomUUID());
        await Promise.all(
          five.map(async (key) => {
            const ask = () => app.call("POST", "/orders", "customer1", order, { "idempotency-key": key });
            const replies = await Promise.all(Array.from({ length: duplicates }, ask));
            const last = await ask();
            expect(last.status).toBe(201);
            for (const reply of replies) {
              if (reply.status === 201) expect(reply.text).toBe(last.text);
              else expect([reply.status, reply.body.code]).toEqual([409, "idempotency_in_flight"]);
              if (reply.status === 409) expect(reply.headers.get("retry-after")).toBe("1");
            }
            const fresh = replies.filter(
              ({ status, headers }) => status === 201 && !headers.has("idempotency-replayed"),
            );
            expect(fresh.length).toBe(1);
            made.add(last.body.id);
          }),
        );
      }
      expect(made.size).toBe(keys);
      expect((await ordersOf()) - before).toBe(keys);
    },
    60_000 + keys * 2000,
  );
});
