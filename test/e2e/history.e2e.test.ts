import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { engines, type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

interface Entry {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly at: string;
  readonly actor: { readonly type: string; readonly id: string | null };
  readonly action: string;
  readonly reason: string | null;
  readonly changes: Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>;
  readonly correlation_id: string;
  readonly causation_id: string | null;
  readonly request_id: string | null;
}

// The replies of a history; a wrong shape fails the expectation.
const eventsOf = (reply: Reply) => reply.body.events as readonly Entry[];
const pageOf = (reply: Reply) => reply.body.page as { readonly next: string | null; readonly limit: number };
const namesAt = (reply: Reply) =>
  (reply.body.errors as readonly { readonly parameter: string; readonly code: string }[]).map(
    ({ parameter, code }) => `${parameter} ${code}`,
  );

describe.each(engines)("the past of records on %s", (engine) => {
  let app: TestApplication;
  let order: string;
  let placed: Reply;
  const seen: Reply[] = [];
  const user = (name: string) => seedId("users", name);
  const basket = {
    restaurant_id: seedId("restaurants", "1"),
    items: [{ menu_item_id: seedId("menu_items", "100"), quantity: 2 }],
  };

  beforeAll(async () => {
    app = await runDelivery(engine);
    placed = await app.call("POST", "/orders", "customer1", basket);
    order = `/orders/${placed.body.id}`;
    seen.push(placed);
    seen.push(await app.call("POST", `${order}/confirm-payment`, "customer1"));
    seen.push(await app.call("POST", `${order}/status`, "staff1", { status: "cooking" }));
    seen.push(await app.call("POST", `${order}/cancel`, "admin", { reason: "out of beetroot" }));
  });
  afterAll(() => app.stop());

  test("history tells who did what, when and why, and what changed from what to what", async () => {
    const reply = await app.call("GET", `${order}/history`, "customer1");
    expect(reply.status).toBe(200);
    const events = eventsOf(reply);
    expect(events.map(({ type, version, actor, action, reason }) => [type, version, actor, action, reason])).toEqual([
      ["OrderPlaced", 1, { type: "user", id: user("customer1") }, "place", null],
      ["PaymentConfirmed", 2, { type: "user", id: user("customer1") }, "confirm_payment", null],
      ["OrderCookingStarted", 3, { type: "user", id: user("staff1") }, "status", null],
      ["OrderCancelled", 4, { type: "user", id: user("admin") }, "cancel", "out of beetroot"],
    ]);
    expect(events.map(({ changes }) => changes.status)).toEqual([
      { from: null, to: "pending_payment" },
      { from: "pending_payment", to: "accepted" },
      { from: "accepted", to: "cooking" },
      { from: "cooking", to: "cancelled" },
    ]);
    expect(events[0]?.changes.final_price).toEqual({ from: null, to: placed.body.final_price });
    expect(events[0]?.changes).not.toHaveProperty("reason"); // null before and after
    expect(events[3]?.changes.reason).toEqual({ from: null, to: "out of beetroot" });
    expect(events.map(({ at }) => at)).toEqual(seen.map(({ body }) => body.updated_at));
    expect(events.map(({ request_id }) => request_id)).toEqual(seen.map(({ headers }) => headers.get("request-id")));
    expect(new Set(events.map(({ id }) => id)).size).toBe(4);
    expect(events.every(({ id, correlation_id }) => id === correlation_id)).toBe(true);
    expect(reply.body.page).toEqual({ limit: 100, skip: 0, next: null, total: null });
    const again = await app.call("GET", `${order}/history`, "customer1", undefined, {
      "if-none-match": reply.headers.get("etag") ?? "",
    });
    expect([again.status, again.text]).toEqual([304, ""]);
    const head = await app.call("HEAD", `${order}/history`, "customer1");
    expect([head.status, head.headers.get("etag")]).toEqual([200, reply.headers.get("etag")]);
  });

  test("history comes in pages, in both orders; a cursor belongs to its record and order", async () => {
    const whole = eventsOf(await app.call("GET", `${order}/history`, "customer1"));
    for (const turn of ["asc", "desc"]) {
      const entries: Entry[] = [];
      let path = `${order}/history?order=${turn}&limit=3`;
      const sizes: number[] = [];
      for (;;) {
        const reply = await app.call("GET", path, "customer1");
        entries.push(...eventsOf(reply));
        sizes.push(eventsOf(reply).length);
        const { next } = pageOf(reply);
        if (next === null) break;
        expect(reply.headers.get("link")).toContain(`cursor=${next}`);
        path = `${order}/history?order=${turn}&limit=3&cursor=${next}`;
      }
      expect(sizes).toEqual([3, 1]);
      expect(entries).toEqual(turn === "asc" ? whole : whole.toReversed());
    }
    const skipped = await app.call("GET", `${order}/history?skip=2&limit=1`, "customer1");
    expect(eventsOf(skipped)).toEqual(whole.slice(2, 3));
    const { next } = pageOf(await app.call("GET", `${order}/history?limit=1`, "customer1"));
    const other = `/orders/${seedId("orders", "0")}`;
    const refused = ["limit=0", "limit=x", "order=up", "skip=-1", "colour=red", "cursor=abc", `cursor=${next}&skip=1`];
    for (const query of [...refused, `order=desc&cursor=${next}`]) {
      expect((await app.call("GET", `${order}/history?${query}`, "customer1")).status, query).toBe(400);
    }
    expect((await app.call("GET", `${other}/history?cursor=${next}`, "customer1")).status).toBe(400);
    expect(pageOf(await app.call("GET", `${order}/history?limit=5000`, "customer1")).limit).toBe(1000);
  });

  test("history is for those who may read the record, and for no visitor", async () => {
    expect((await app.call("GET", `${order}/history`, "customer2")).status).toBe(404);
    expect((await app.call("GET", `${order}/history`, "manager")).status).toBe(200);
    expect((await app.call("GET", `${order}/history`)).status).toBe(401);
    expect((await app.call("GET", "/orders/abc/history", "customer1")).status).toBe(404);
    const drink = await app.call("POST", "/drinks", null, { name: "Kvass", price: 2 });
    expect((await app.call("GET", `/drinks/${drink.body.id}/history`)).status).toBe(401);
    const entries = eventsOf(await app.call("GET", `/drinks/${drink.body.id}/history`, "customer2"));
    expect(entries.map(({ type, actor }) => [type, actor])).toEqual([["DrinkCreated", { type: "visitor", id: null }]]);
    expect((await app.call("DELETE", `${order}/history`, "admin")).status).toBe(405);
  });

  test("fields that the reader may not see today are in no event of the history", async () => {
    const restaurant = `/restaurants/${seedId("restaurants", "1")}/history`;
    const created = async (who: string) => eventsOf(await app.call("GET", restaurant, who))[0]?.changes;
    expect(await created("staff1")).toHaveProperty("staff_ids");
    expect(await created("staff2")).not.toHaveProperty("staff_ids");
    expect(await created("staff2")).toHaveProperty("name");
  });

  test("a changed password is an event without values", async () => {
    const input = { current_password: "customer3-password", password: "another good one" };
    const done = await app.call("PATCH", `/users/${user("customer3")}/password`, "customer3", input);
    expect(done.status).toBe(200);
    const reply = await app.call("GET", "/users/me/history", "customer3");
    expect(eventsOf(reply).map(({ type }) => type)).toEqual(["UserRegistered", "PasswordChanged"]);
    expect(eventsOf(reply)[1]?.changes).toEqual({});
    expect(reply.text).not.toMatch(/argon2|another good one|customer3-password/);
  });

  test("as_of and as_of_version give the bytes and the tag that the record had then", async () => {
    for (const { body, text, headers } of seen) {
      const byVersion = await app.call("GET", `${order}?as_of_version=${body.version}`, "customer1");
      expect([byVersion.status, byVersion.text]).toEqual([200, text]);
      expect(byVersion.headers.get("etag")).toBe(headers.get("etag"));
    }
    const updates = seen.map(({ body }) => String(body.updated_at));
    for (const { body, text } of seen) {
      const last = seen.findLast((other) => other.body.updated_at === body.updated_at);
      const reply = await app.call("GET", `${order}?as_of=${body.updated_at}`, "customer1");
      expect(reply.text).toBe(last?.text ?? text);
    }
    const before = new Date(Date.parse(updates[0] ?? "") - 1).toISOString();
    expect((await app.call("GET", `${order}?as_of=${before}`, "customer1")).status).toBe(404);
    // Half a millisecond later nothing else had happened, and an event of the next millisecond has not.
    const finer = (updates[0] ?? "").replace("Z", "9999999Z");
    expect((await app.call("GET", `${order}?as_of=${finer}`, "customer1")).text).toBe(
      seen.findLast(({ body }) => body.updated_at === updates[0])?.text,
    );
    const moved = new Date(Date.parse(updates[3] ?? "") + 3 * 3_600_000).toISOString().replace("Z", "%2B03:00");
    expect((await app.call("GET", `${order}?as_of=${moved}`, "customer1")).text).toBe(seen[3]?.text);
    const unchanged = await app.call("GET", `${order}?as_of_version=2`, "customer1", undefined, {
      "if-none-match": '"2"',
    });
    expect(unchanged.status).toBe(304);
  });

  test("what is no moment of the past is refused, by name", async () => {
    const refusals: readonly (readonly [string, readonly string[]])[] = [
      ["as_of=2999-01-01T00:00:00Z", ["as_of invalid_parameter"]],
      ["as_of=2026-02-28", ["as_of invalid_parameter"]],
      ["as_of=2026-02-28T12:00:00", ["as_of invalid_parameter"]],
      ["as_of=2026-02-30T12:00:00Z", ["as_of invalid_parameter"]],
      ["as_of=yesterday", ["as_of invalid_parameter"]],
      ["as_of=", ["as_of invalid_parameter"]],
      ["as_of_version=0", ["as_of_version invalid_parameter"]],
      ["as_of_version=-1", ["as_of_version invalid_parameter"]],
      ["as_of_version=1.5", ["as_of_version invalid_parameter"]],
      ["as_of=2026-01-01T00:00:00Z&as_of_version=1", ["as_of_version invalid_parameter"]],
      [
        "as_of=x&as_of_version=y",
        ["as_of invalid_parameter", "as_of_version invalid_parameter"].concat("as_of_version invalid_parameter"),
      ],
    ];
    for (const [query, faults] of refusals) {
      const reply = await app.call("GET", `${order}?${query}`, "customer1");
      expect([reply.status, reply.body.code], query).toEqual([400, "invalid_query"]);
      expect(namesAt(reply), query).toEqual(faults);
    }
    for (const version of ["5", "99999999999"]) {
      expect((await app.call("GET", `${order}?as_of_version=${version}`, "customer1")).status).toBe(404);
    }
    expect((await app.call("GET", `${order}?as_of_version=1`, "customer2")).status).toBe(404);
    expect((await app.call("GET", `${order}?as_of_version=1`)).status).toBe(401);
    expect((await app.call("GET", `/drinks/999999?as_of_version=1`)).status).toBe(404);
  });

  test("rights and masks of an earlier state are those of today", async () => {
    const made = await app.call("POST", "/restaurants", "admin", {
      name: "Bistro",
      city: "Perm",
      staff_ids: [user("staff1")],
    });
    const path = `/restaurants/${made.body.id}`;
    await app.call("PATCH", path, "admin", { staff_ids: [user("staff2")] });
    expect((await app.call("GET", `${path}?as_of_version=1`, "staff1")).body).not.toHaveProperty("staff_ids");
    expect((await app.call("GET", `${path}?as_of_version=1`, "staff2")).body.staff_ids).toEqual([user("staff1")]);
  });

  test("a deleted record keeps its past for those who could read it", async () => {
    const alive = await app.call("POST", "/orders", "customer1", basket);
    const path = `/orders/${alive.body.id}`;
    expect((await app.remove(path, "admin")).status).toBe(204);
    const gone = await app.call("GET", path, "customer1");
    expect(gone.status).toBe(410);
    const deletedAt = String(gone.body.deleted_at);
    expect((await app.call("GET", `${path}?as_of_version=1`, "customer1")).text).toBe(alive.text);
    const sameMillisecond = alive.body.created_at === deletedAt;
    const then = await app.call("GET", `${path}?as_of=${alive.body.created_at}`, "customer1");
    expect(then.status).toBe(sameMillisecond ? 410 : 200);
    for (const query of [`as_of=${deletedAt}`, "as_of_version=2"]) {
      const reply = await app.call("GET", `${path}?${query}`, "customer1");
      expect([reply.status, reply.body.deleted_at]).toEqual([410, deletedAt]);
      expect((await app.call("GET", `${path}?${query}`, "customer2")).status).toBe(404);
    }
    const entries = eventsOf(await app.call("GET", `${path}/history`, "customer1"));
    expect(entries.map(({ type }) => type)).toEqual(["OrderPlaced", "OrderDeleted"]);
    expect(entries[1]?.changes).toEqual({ deleted_at: { from: null, to: deletedAt } });
    expect((await app.call("GET", `${path}/history`, "customer2")).status).toBe(404);
  });
});
