import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { type LedgerService, verifyApplication, withLedger } from "../../src/operations.ts";
import { type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

let app: TestApplication;
let superuser: pg.Client;

beforeAll(async () => {
  app = await runDelivery("postgres");
  superuser = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await superuser.connect();
});
afterAll(async () => {
  await superuser.end();
  await app.stop();
});

const onLedger = <T>(work: (ledger: LedgerService) => Promise<T>) => withLedger(delivery, app.around, work);
const findings = async () => (await verifyApplication(delivery, app.around)).findings;
const drink = async (name: string) => (await app.call("POST", "/drinks", null, { name, price: 2 })).body;
const historyOf = async (path: string): Promise<readonly Record<string, unknown>[]> =>
  (await app.call("GET", `${path}/history`, "admin")).body.events as readonly Record<string, unknown>[];
const brief = (events: readonly Record<string, unknown>[]) =>
  events.map(({ type, version, actor, changes }) => [type, version, actor, changes]);
const operator = { type: "operator", id: "postgres" };
const visitor = { type: "visitor", id: null };
const get = (path: string): Promise<Reply> => app.call("GET", path, "admin");

describe("a change by hand", () => {
  test("is an event of the database's login: the tag moves, and the record still is the fold of its events", async () => {
    const { id } = await drink("Kvass");
    await superuser.query("update app.drinks set price = 99 where id = $1", [id]);
    const now = await get(`/drinks/${id}`);
    expect([now.body.price, now.body.version, now.headers.get("etag")]).toEqual([99, 2, '"2"']);
    expect(brief(await historyOf(`/drinks/${id}`))).toEqual([
      ["DrinkCreated", 1, visitor, { name: { from: null, to: "Kvass" }, price: { from: null, to: 2 } }],
      ["DrinkChangedByHand", 2, operator, { price: { from: 2, to: 99 } }],
    ]);
    const stream = expect.stringContaining(Number(id).toString(16));
    expect(await findings()).toEqual([{ entity: "drinks", stream, fault: "changed_by_hand", at: ["2"] }]);
    expect((await get(`/drinks/${id}?as_of_version=1`)).body.price).toBe(2);

    expect(await onLedger((ledger) => ledger.adopt("drinks", id))).toBe(1);
    expect(await findings()).toEqual([]);
    const events = await historyOf(`/drinks/${id}`);
    expect(events.at(-1)).toMatchObject({
      ...{ type: "DrinkChangeAdopted", actor: operator, action: "adopted", changes: {} },
      causation_id: events[1]?.id,
    });
    expect((await get(`/drinks/${id}`)).body).toMatchObject({ price: 99, version: 3 });
    await expect(onLedger((ledger) => ledger.adopt("drinks", id))).rejects.toThrow("no change by hand that is open");
  });

  test("can be reverted; what an action has changed since stays", async () => {
    const { id } = await drink("Mors");
    await superuser.query("update app.drinks set price = 50, name = 'Hand' where id = $1", [id]);
    await superuser.query("update app.drinks set price = 60 where id = $1", [id]);
    await app.call("PATCH", `/drinks/${id}`, null, { name: "Mine" });
    expect(await onLedger((ledger) => ledger.revert("drinks", id))).toBe(2);
    expect((await get(`/drinks/${id}`)).body).toMatchObject({ price: 2, name: "Mine", version: 6 });
    expect((await historyOf(`/drinks/${id}`)).map(({ type }) => type).slice(4)).toEqual([
      "DrinkChangeReverted",
      "DrinkChangeReverted",
    ]);
    expect(await findings()).toEqual([]);
  });

  test("of nothing is no event", async () => {
    const { id } = await drink("Water");
    await superuser.query("update app.drinks set price = price, version = 7, updated_at = now() where id = $1", [id]);
    expect((await get(`/drinks/${id}`)).body.version).toBe(1);
    expect(await historyOf(`/drinks/${id}`)).toHaveLength(1);
  });

  test("that removes a row is in the ledger, and reverting it brings the row back", async () => {
    const { id } = await drink("Tea");
    await superuser.query("delete from app.drinks where id = $1", [id]);
    expect((await get(`/drinks/${id}`)).status).toBe(404);
    const events = await onLedger((ledger) => ledger.history("drinks", id));
    expect(events.map(({ type }) => type)).toEqual(["DrinkCreated", "DrinkRemovedByHand"]);
    expect((await findings()).map(({ fault }) => fault)).toEqual(["changed_by_hand"]);
    expect(await onLedger((ledger) => ledger.revert("drinks", id))).toBe(1);
    expect((await get(`/drinks/${id}`)).body).toMatchObject({ name: "Tea", price: 2, version: 3 });
    await superuser.query("delete from app.drinks where id = $1", [id]);
    expect(await onLedger((ledger) => ledger.adopt("drinks", id))).toBe(1);
    expect(await findings()).toEqual([]);
    expect((await get(`/drinks/${id}`)).status).toBe(404);
  });

  test("that adds a row makes it a record, and reverting it marks it as deleted", async () => {
    const added = "insert into app.drinks (name, price) values ('Smuggled', 1) returning id, version";
    const { rows } = await superuser.query(added);
    const { id, version } = rows[0];
    expect(version).toBe(1);
    expect(brief(await historyOf(`/drinks/${id}`))).toEqual([
      ["DrinkAddedByHand", 1, operator, { name: { from: null, to: "Smuggled" }, price: { from: null, to: 1 } }],
    ]);
    expect((await findings()).map(({ fault }) => fault)).toEqual(["changed_by_hand"]);
    await onLedger((ledger) => ledger.revert("drinks", id));
    expect((await get(`/drinks/${id}`)).status).toBe(410);
    expect(await findings()).toEqual([]);
  });

  test("that empties a table is noted, and rebuild brings its records back", async () => {
    const before = (await get("/drinks?limit=1000")).text;
    await superuser.query("truncate app.drinks");
    const { rows } = await superuser.query(
      "select operation, relation, actor_id from gesta.audit order by id desc limit 1",
    );
    expect(rows).toEqual([{ operation: "truncate", relation: "app.drinks", actor_id: "postgres" }]);
    expect(new Set((await findings()).map(({ fault }) => fault))).toEqual(new Set(["no_record"]));
    const rebuilt = await onLedger((ledger) => ledger.rebuild({ entity: "drinks" }));
    expect(new Set(rebuilt.map(({ outcome }) => outcome))).toEqual(new Set(["restored"]));
    expect((await get("/drinks?limit=1000")).text).toBe(before);
    expect(await findings()).toEqual([]);
  });

  test("of a record that an action changes at the same time loses nothing", async () => {
    const { id } = await drink("Race");
    await Promise.all([
      (async () => {
        for (let n = 0; n < 5; n++) {
          await superuser.query("update app.drinks set price = price + 1 where id = $1", [id]);
        }
      })(),
      ...["a", "b", "c"].map((name) => app.call("PATCH", `/drinks/${id}`, null, { name })),
    ]);
    const now = (await get(`/drinks/${id}`)).body;
    expect(now.version).toBe((await historyOf(`/drinks/${id}`)).length);
    expect((await findings()).map(({ fault }) => fault)).toEqual(["changed_by_hand"]);
    await onLedger((ledger) => ledger.adopt("drinks", id));
  });

  test("moves a row to another id by removing and adding it", async () => {
    const { id } = await drink("Moved");
    await superuser.query("update app.drinks set id = 5000 where id = $1", [id]);
    expect((await historyOf("/drinks/5000")).map(({ type }) => type)).toEqual(["DrinkAddedByHand"]);
    const events = await onLedger((ledger) => ledger.history("drinks", id));
    expect(events.map(({ type }) => type)).toEqual(["DrinkCreated", "DrinkRemovedByHand"]);
    for (const one of [id, "5000"]) await onLedger((ledger) => ledger.adopt("drinks", one));
    expect(await findings()).toEqual([]);
  });
});

describe("the audit of users, who are declared audited", () => {
  const rows = async (id: string) =>
    (
      await superuser.query(
        "select actor_type, actor_id, relation, operation, version, old, new, personal, tx::text from gesta.audit where stream_id = $1 order by id",
        [id],
      )
    ).rows;

  test("tells who, when and what, by whatever way it came, and no personal value", async () => {
    const input = { name: "Kim", email: "kim.audit@example.com", password: "a good password" };
    const { id } = (await app.call("POST", "/users", null, input)).body;
    await superuser.query("update app.users set role = 'admin', email = 'x@example.com' where id = $1", [id]);
    const all = await rows(id);
    const made = all.find(({ relation, operation }) => relation === "app.users" && operation === "insert");
    expect(made).toMatchObject({ actor_type: "visitor", actor_id: null, version: 1, old: {} });
    expect(made.new).toMatchObject({ role: "customer", status: "active" });
    expect(made.personal.toSorted()).toEqual(["email", "name"]);
    expect(all.find(({ relation }) => relation === "gesta.secrets")).toMatchObject({ new: { field: "password" } });
    expect(all.at(-1)).toMatchObject({
      ...{ actor_type: "operator", actor_id: "postgres", operation: "update", version: 2 },
      ...{ old: { role: "customer" }, new: { role: "admin" }, personal: ["email"] },
    });
    expect(JSON.stringify(all)).not.toMatch(/Kim|@example|argon2/);
    await onLedger((ledger) => ledger.revert("users", id));
    expect((await get(`/users/${id}`)).body).toMatchObject({ role: "customer", email: input.email });
    expect(await findings()).toEqual([]);
  });

  test.each(["update gesta.audit set actor_id = 'x'", "delete from gesta.audit", "truncate gesta.audit"])(
    "refuses everyone: %s",
    async (text) => {
      await expect(superuser.query(text)).rejects.toMatchObject({ code: "42501" });
    },
  );

  test("and the events are out of the application's reach", async () => {
    const client = new pg.Client({ connectionString: app.databaseUrl ?? "", options: "-c role=gesta_app" });
    await client.connect();
    const tries = [
      ...["gesta.audit", "gesta.events", "app.users", "app.drinks"].flatMap((table) => [
        ...[`delete from ${table}`, `truncate ${table}`, `alter table ${table} disable trigger all`],
        `insert into ${table} default values`,
        `drop trigger ${table.startsWith("gesta") ? "never_emptied" : "by_hand_stamped"} on ${table}`,
      ]),
      ...["update gesta.audit set actor_id = null", "update gesta.events set data = data", "select * from gesta.audit"],
      ...["update app.drinks set price = 1", "set session_replication_role = replica"],
      "select app.put_drinks(1, null, 1, null)",
      "select gesta.append_by_hand('drinks', 'x', 'x', gen_random_uuid(), 1, now(), '{}')",
    ];
    try {
      for (const text of tries) {
        const code = await client.query(text).then(
          () => "done",
          (error) => error.code,
        );
        expect(code, text).toBe("42501");
      }
    } finally {
      await client.end();
    }
  });

  test("a price that staff changed is not audited: only what is declared", async () => {
    const dish = { restaurant_id: seedId("restaurants", "1"), name: "Ukha", price: 6 };
    const made = await app.call("POST", "/menu_items", "admin", dish);
    expect(made.status).toBe(201);
    expect(await rows(made.body.id)).toEqual([]);
  });
});
