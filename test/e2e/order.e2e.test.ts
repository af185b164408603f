import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { verifyApplication } from "../../src/operations.ts";
import { engines, runDelivery, type TestApplication } from "../support/running-application.ts";

const restaurant = seedId("restaurants", "1");
const dish = (index: number) => seedId("menu_items", String(100 + index));
const items = [
  { menu_item_id: dish(0), quantity: 2 },
  { menu_item_id: dish(1), quantity: 1 },
];
const order = { restaurant_id: restaurant, items, promotion_code: "TEN" };
const codesOf = (body: Readonly<Record<string, unknown>>) =>
  Array.isArray(body.errors) ? body.errors.map(({ pointer, code }) => `${pointer} ${code}`) : [];

describe.each(engines)("an order on %s", (engine) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await runDelivery(engine);
  });
  afterAll(() => app.stop());

  test("is placed at the menu's prices and goes its way to delivery, one step at a time", async () => {
    const placed = await app.call("POST", "/orders", "customer1", order);
    expect(placed.status).toBe(201);
    // 2 × 5.25 + 6.75 = 17.25, less 10 % is 15.525, rounded half away from zero.
    expect(placed.body).toMatchObject({
      status: "pending_payment",
      total_price: 17.25,
      final_price: 15.53,
      reason: null,
      version: 1,
    });
    expect(placed.body.user_id).toBe(seedId("users", "customer1"));
    expect(placed.headers.get("location")).toBe(`/orders/${placed.body.id}`);
    expect(placed.headers.get("etag")).toBe('"1"');
    const at = `/orders/${placed.body.id}`;

    const paid = await app.call("POST", `${at}/confirm-payment`, "customer1");
    expect([paid.status, paid.body.status]).toEqual([200, "accepted"]);
    const jump = await app.call("POST", `${at}/status`, "staff1", { status: "delivered" });
    expect(jump.status).toBe(409);
    expect(jump.body).toMatchObject({
      code: "transition_not_allowed",
      status_now: "accepted",
      allowed_actions: ["cancel", "status"],
    });
    for (const status of ["cooking", "on_way", "delivered"]) {
      const moved = await app.call("POST", `${at}/status`, "staff1", { status });
      expect([moved.status, moved.body.status]).toEqual([200, status]);
    }
    expect((await app.call("POST", `${at}/cancel`, "customer1", { reason: "late" })).status).toBe(409);
  });

  test("refuses every field that the server decides, each at its pointer", async () => {
    const stolen = {
      ...order,
      items: [{ ...items[0], unit_price: 0 }],
      status: "delivered",
      total_price: 1,
      final_price: 1,
      user_id: restaurant,
      id: restaurant,
    };
    const reply = await app.call("POST", "/orders", "customer1", stolen);
    expect(reply.status).toBe(422);
    expect(codesOf(reply.body).sort()).toEqual(
      ["/status", "/total_price", "/final_price", "/user_id", "/id", "/items/0/unit_price"]
        .map((at) => `${at} server_owned`)
        .sort(),
    );
  });

  test("names every item and promotion that cannot be had", async () => {
    const elsewhere = seedId("menu_items", "200");
    const missing = "01900000-0000-7000-8000-000000000000";
    const reply = await app.call("POST", "/orders", "customer1", {
      restaurant_id: restaurant,
      items: [
        { menu_item_id: dish(7), quantity: 1 },
        { menu_item_id: elsewhere, quantity: 1 },
      ],
      promotion_code: "OLD",
    });
    expect(reply.status).toBe(422);
    expect(codesOf(reply.body)).toEqual([
      "/items/0/menu_item_id not_available",
      "/items/1/menu_item_id not_found",
      "/promotion_code not_found",
    ]);
    const unknown = await app.call("POST", "/orders", "customer1", { ...order, restaurant_id: missing });
    expect(codesOf(unknown.body)).toContain("/restaurant_id not_found");
  });

  test("is hidden from strangers as if it did not exist, and theirs to change for nobody else", async () => {
    const { body } = await app.call("POST", "/orders", "customer1", order);
    const foreign = await app.call("GET", `/orders/${body.id}`, "customer2");
    const missing = await app.call("GET", "/orders/01900000-0000-7000-8000-000000000000", "customer2");
    const without = ({ text }: { text: string }) => text.replace(/"request_id":"[^"]+"/, "");
    expect([foreign.status, without(foreign)]).toEqual([404, without(missing)]);
    expect((await app.call("POST", `/orders/${body.id}/cancel`, "customer2")).status).toBe(404);
    expect((await app.call("POST", `/orders/${body.id}/status`, "customer1", { status: "accepted" })).status).toBe(403);
    expect((await app.call("GET", `/orders/${body.id}`)).status).toBe(401);
    expect((await app.call("POST", "/orders", "staff1", order)).status).toBe(403);
  });

  test("is deleted softly, twice the same, and gone for those who could read it", async () => {
    const { body } = await app.call("POST", "/orders", "customer1", order);
    const at = `/orders/${body.id}`;
    expect((await app.call("DELETE", at, "customer1")).status).toBe(403);
    expect((await app.remove(at, "admin")).status).toBe(204);
    expect((await app.call("DELETE", at, "admin")).status).toBe(204);
    const gone = await app.call("GET", at, "customer1");
    expect([gone.status, typeof gone.body.deleted_at]).toEqual([410, "string"]);
    expect((await app.call("GET", at, "customer2")).status).toBe(404);
  });

  test("turns a deactivated user away at once", async () => {
    const me = seedId("users", "customer3");
    expect((await app.call("GET", "/users/me", "customer3")).status).toBe(200);
    expect((await app.call("POST", `/users/${me}/deactivate`, "customer3")).status).toBe(200);
    expect((await app.call("GET", "/users/me", "customer3")).status).toBe(401);
    expect((await app.call("POST", "/orders", "customer3", order)).status).toBe(401);
  });

  test("writes back a menu item only with the version that was read", async () => {
    const at = `/menu_items/${dish(3)}`;
    const read = await app.call("GET", at);
    const bare = await app.call("PATCH", at, "staff1", { price: 1 });
    expect([bare.status, bare.body.code]).toEqual([428, "precondition_required"]);
    const changed = await app.call("PATCH", at, "staff1", { ...read.body, price: 8.75 }, { "if-match": '"1"' });
    expect([changed.status, changed.body.price, changed.headers.get("etag")]).toEqual([200, 8.75, '"2"']);
    const stale = await app.call("PATCH", at, "staff1", { price: 1 }, { "if-match": '"1"' });
    expect([stale.status, stale.body.versions]).toEqual([412, { yours: 1, current: 2 }]);
    const same = await app.call("PATCH", at, "staff1", {}, { "if-match": '"2"' });
    expect([same.status, same.body.version]).toEqual([200, 2]);
    expect((await app.call("PATCH", at, "staff2", { price: 1 }, { "if-match": '"2"' })).status).toBe(403);
  });

  test("answers a taken e-mail with the field, whatever the case of its letters", async () => {
    const person = { name: "Kim", email: "Kim@example.com", password: "long enough" };
    const made = await app.call("POST", "/users", null, person);
    expect(made.status).toBe(201);
    expect(made.text).not.toContain("password");
    const again = await app.call("POST", "/users", null, { ...person, email: "kim@EXAMPLE.com" });
    expect([again.status, codesOf(again.body)]).toEqual([409, ["/email unique"]]);
  });

  test("leaves records that equal the fold of their events", async () => {
    if (engine === "pglite") await app.running.close(); // one process, one opener: verify opens the directory itself
    const report = await verifyApplication(delivery, app.around);
    expect(report.findings).toEqual([]);
    expect(report.events).toBeGreaterThan(150);
  });
});
