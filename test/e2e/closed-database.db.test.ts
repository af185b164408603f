import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

describe("the database, asked with plain SQL as the application's role", () => {
  let app: TestApplication;
  let client: pg.Client;
  let order: string;
  beforeAll(async () => {
    app = await runDelivery("postgres");
    client = new pg.Client({ connectionString: app.databaseUrl ?? "", options: "-c role=gesta_app" });
    await client.connect();
    const items = [{ menu_item_id: seedId("menu_items", "100"), quantity: 1 }];
    order = (await app.call("POST", "/orders", "customer1", { restaurant_id: seedId("restaurants", "1"), items })).body
      .id;
  });
  afterAll(async () => {
    await client.end();
    await app.stop();
  });

  const refused = async (text: string): Promise<unknown> =>
    client.query(text).then(
      () => "done",
      (error) => error.code,
    );
  const write = async (command: object): Promise<string> => {
    const { rows } = await client.query("select app.write_orders($1::jsonb) as answer", [JSON.stringify([command])]);
    return rows[0].answer;
  };
  const as = (name: string) => seedId("users", name);

  test.each([
    "insert into app.drinks (name, price, version, created_at, updated_at) values ('x', 1, 1, now(), now())",
    "update app.orders set status = 'delivered'",
    "delete from app.orders",
    "truncate app.orders",
    "select * from gesta.events",
    "insert into gesta.events (stream_id) values (gen_random_uuid())",
    "update gesta.events set type = 'x'",
    "delete from gesta.events",
    "truncate gesta.events",
    "insert into gesta.workflow values ('orders', 'status', 'new', 'delivered')",
    "select * from gesta.secrets",
    "alter table app.orders disable row level security",
    "alter table gesta.events disable trigger all",
    "select app.apply_orders('{}')",
    `select gesta.sought('orders', '{"filters":[],"sort":[["id","asc","first"]],"values":[0,9,9,null]}')`,
    "select gesta.narrowed('orders', '{}')",
    "select * from gesta.signing_key",
    "select gesta.signed('prepare x as select 1')",
    "select gesta.prepared('x', 'select 1')",
    "select app.query_orders('{}', false)",
    "create or replace function gesta.sought(entity text, asked jsonb) returns text[] language sql as $$ select null $$",
    "set role gesta_owner; create table app.x ()",
  ])("refuses %s", async (text) => {
    if (text.startsWith("set role")) {
      // The tests' login is a superuser, as in development; a production login is no member of the owner.
      const { rows } = await client.query("select pg_has_role('gesta_app', 'gesta_owner', 'member') as member");
      expect(rows).toEqual([{ member: false }]);
    } else expect(await refused(text)).toBe("42501");
  });

  test("refuses a jump in the workflow, though the command comes from the right person", async () => {
    const base = { action: "status", id: order, version: 1, type: "OrderDelivered", set: {}, secrets: {} };
    expect(await write({ ...base, actor: as("staff1"), to: "delivered" })).toBe(
      "transition_not_allowed pending_payment",
    );
    expect(await write({ ...base, actor: as("customer1"), to: "accepted" })).toMatch(
      /^(forbidden|transition_not_allowed)/,
    );
    expect(await write({ ...base, actor: as("customer2"), to: "accepted" })).toBe("not_found");
    expect(await write({ ...base, actor: null, to: "accepted" })).toBe("not_found");
  });

  test("refuses an action to those whom its policy does not name, and fields that it may not set", async () => {
    const cancel = { action: "cancel", id: order, version: 1, to: "cancelled", type: "OrderCancelled", secrets: {} };
    expect(await write({ ...cancel, actor: as("manager"), set: { reason: "x" } })).toBe("forbidden");
    expect(await write({ ...cancel, actor: as("customer1"), set: { total_price: 0 } })).toBe("forbidden");
    expect(await write({ ...cancel, actor: as("customer1"), version: 9, set: {} })).toBe("stale 1");
  });

  test("refuses a password beside an action that sets none, and a role that nobody decided", async () => {
    const ask = async (command: object): Promise<string> => {
      const { rows } = await client.query("select app.write_users($1::jsonb) as answer", [JSON.stringify([command])]);
      return rows[0].answer;
    };
    const name = {
      actor: as("customer1"),
      action: "name",
      id: as("customer1"),
      version: 1,
      type: "UserUpdated",
      to: null,
    };
    expect(await ask({ ...name, set: { name: "x" }, secrets: { password: "hash" } })).toBe("forbidden");
    expect(await ask({ ...name, set: { name: "x", password: "clear" }, secrets: {} })).toBe("forbidden");
    const leave = { actor: as("admin"), action: "deactivate", id: as("customer1"), version: 1, to: "deactivated" };
    expect(await ask({ ...leave, type: "UserDeactivated", set: {}, secrets: { password: "hash" } })).toBe("forbidden");
    const fields = { name: "x", email: "x@example.com", avatar: null, role: "admin" };
    const register = { actor: null, action: "register", id: seedId("users", "x"), version: null, to: null };
    const hash = { password: "hash" };
    expect(await ask({ ...register, type: "UserRegistered", set: fields, secrets: hash })).toBe("forbidden");
    const customer = { ...fields, role: "customer" };
    const plain = { ...register, type: "UserRegistered", set: customer, secrets: hash };
    expect(await ask(plain), "what is personal, unsealed").toBe("forbidden");
    const sealed = { name: { sealed: "eA==", version: 1 }, email: { sealed: "eA==", version: 1 } };
    expect(await ask({ ...plain, sealed: { name: sealed.name } }), "one of two").toBe("forbidden");
    expect(await ask({ ...plain, sealed })).toMatch(/^done 1 /);
  });

  test("shows a field that has readers of its own in no column", async () => {
    expect(await refused("select staff_ids from app.restaurants")).toBe("42501");
    expect(await refused("select * from app.restaurants")).toBe("42501");
    expect(await refused("select id, name, city, status from app.restaurants")).toBe("done");
  });

  test("shows an actor their own rows alone, and nothing where nobody was entered", async () => {
    const count = async (who: string | null) => {
      await client.query("begin");
      await client.query("select gesta.enter($1)", [who]);
      const { rows } = await client.query(
        "select count(*)::int as n, count(*) filter (where user_id = $1)::int as own from app.orders",
        [who],
      );
      await client.query("commit");
      return rows[0];
    };
    const mine = await count(as("customer1"));
    expect(mine.n).toBeGreaterThan(0);
    expect(mine.own).toBe(mine.n);
    expect((await count(null)).n).toBe(0);
    const { rows } = await client.query("select count(*)::int as n from app.orders");
    expect(rows).toEqual([{ n: 0 }]);
  });

  test("finds by a price what the actor may read, whatever a list is asked for", async () => {
    const sort = [["id", "asc", "first"]];
    const values = [0, 101, 101, null, 0];
    const cheap = { filters: [["final_price", "gte", 4]], sort, values };
    const find = async (
      who: string | null,
      asked: { readonly values: unknown; readonly sought?: true },
    ): Promise<readonly string[]> => {
      const { values: wanted, ...ask } = asked;
      const text = "select answer from app.find_orders(array[$1], array[$2], array[$3], array[null])";
      const { rows } = await client.query(text, [who, JSON.stringify(ask), JSON.stringify(wanted)]);
      expect(rows[0].answer).toMatch(/^listed /);
      return rows[0].answer
        .slice("listed ".length)
        .split("\n")
        .filter((line: string) => line !== "")
        .map((line: string) => line.split(" ")[0]);
    };
    expect(await find(as("customer1"), cheap)).toContain(order);
    expect(await find(as("manager"), cheap)).toContain(order);
    expect(await find(as("staff1"), cheap)).toContain(order);
    expect(await find(as("customer2"), cheap)).not.toContain(order);
    expect(await find(null, cheap)).toEqual([]);

    // What looks as if it were sought by no policy is run by the owner, whom policies hold back.
    const failed = await find(as("customer2"), { ...cheap, sought: true }).catch(() => []);
    expect(failed).not.toContain(order);
    const hostile = [
      { ...cheap, filters: [["final_price >= 0) or (true", "gte", 4]] },
      { ...cheap, filters: [["final_price", "gte", "4) or (true"]] },
      { ...cheap, filters: [["final_price", ">= 0 or", 4]] },
      { ...cheap, filters: [["items", "eq", 4]] },
      { ...cheap, sort: [["(select 1)", "asc", "first"]] },
      { ...cheap, values: [0, "1 union all select id from app.orders", 9, null, 0] },
      { ...cheap, values: [0, 9, 9, null, "0) or (true"] },
    ];
    for (const asked of hostile) {
      const found = await find(as("customer2"), asked).catch((error) => [error.code]);
      expect(found, JSON.stringify(asked)).not.toContain(order);
      if (asked.filters[0]?.[1] === "gte")
        expect(found, JSON.stringify(asked)).toEqual([expect.stringMatching(/^\w{5}$/)]);
    }
  });

  test("has nothing of the session's run by the role that no policy holds back", async () => {
    const asked = JSON.stringify({ filters: [["final_price", "gte", 4]], sort: [["id", "asc", "first"]] });
    const wanted = JSON.stringify([0, 101, 101, null, 0]);
    const traps = [
      "create function pg_temp.lower(text) returns text language sql as $$ select 'trapped' $$",
      "create function pg_temp.greatest_of() returns text language sql as $$ select current_user::text $$",
      "create temp table pg_class (oid oid, reltuples real)",
      "create temp table orders (id uuid, deleted_at timestamptz, final_price numeric)",
      "create function pg_temp.listed_orders(text) returns text[] language sql as $$ select array['1', '1', 'text'] $$",
      "set search_path = pg_temp, public",
    ];
    const text = "select answer from app.find_orders(array[$1], array[$2], array[$3], array[null])";
    const parameters = [as("customer2"), asked, wanted];
    const before = (await client.query(text, parameters)).rows;
    for (const trap of traps) await client.query(trap);
    expect((await client.query(text, parameters)).rows).toEqual(before);
    await client.query("reset search_path");
    await client.query("discard temp");
    const { rows } = await client.query("select pg_has_role('gesta_app', 'gesta_finder', 'member') as member");
    expect(rows).toEqual([{ member: false }]);
  });

  test("runs no statement that the session has put in the place of a list's", async () => {
    const ask = JSON.stringify({
      filters: [],
      sort: [
        ["final_price", "asc", "first"],
        ["id", "asc", "first"],
      ],
    });
    const text = "select answer from app.find_orders(array[$1], array[$2], array[$3], array[null])";
    const find = async () => (await client.query(text, [as("customer1"), ask, "[0,101,101,null,null]"])).rows;
    const held = async () => {
      const { rows } = await client.query(
        "select name, statement from pg_prepared_statements where name like 'gesta\\_%' and statement like '%orders%'",
      );
      return rows;
    };
    await client.query("deallocate all");
    const before = await find();
    expect(before[0].answer).toContain(order);
    const [mine, ...others] = await held();
    expect(others).toEqual([]);
    const signature = mine.statement.slice(-67);
    expect(signature).toMatch(/^ --[0-9a-f]{64}$/);
    const evil = `prepare ${mine.name} as select array(select concat(o.id, ' 1.1 ', o.user_id) from app.orders o)`;
    const traps = [
      evil,
      `${evil}${signature}`,
      `${evil} --${mine.statement}`,
      mine.statement.replace("r.deleted_at is null", "true"),
      mine.statement.slice(0, -1),
    ];
    for (const trap of traps) {
      await client.query(`deallocate ${mine.name}`);
      await client.query(trap);
      expect(await find(), trap).toEqual(before);
      expect(await held()).toEqual([mine]);
    }
    // Another key was made when the pieces were made anew: nothing of before is run.
    const owner = new pg.Client({ connectionString: app.databaseUrl ?? "" });
    await owner.connect();
    await owner.query("update gesta.signing_key set key = '\\x00'");
    await owner.end();
    expect(await find()).toEqual(before);
    const [anew] = await held();
    expect(anew.statement.slice(0, -64)).toBe(mine.statement.slice(0, -64));
    expect(anew.statement).not.toBe(mine.statement);
  });

  test("holds an event for each step of an order, with its author and time", async () => {
    const items = [{ menu_item_id: seedId("menu_items", "100"), quantity: 1 }];
    const placed = await app.call("POST", "/orders", "customer1", { restaurant_id: seedId("restaurants", "1"), items });
    const at = `/orders/${placed.body.id}`;
    await app.call("POST", `${at}/confirm-payment`, "customer1");
    await app.call("POST", `${at}/status`, "staff1", { status: "cooking" });
    await app.call("POST", `${at}/cancel`, "admin", { reason: "out of beetroot" });
    const superuser = new pg.Client({ connectionString: app.databaseUrl ?? "" });
    await superuser.connect();
    const text =
      "select version, type, action, actor_type, actor_id, reason, request_id, at from gesta.events where stream_id = $1 order by version";
    const { rows } = await superuser.query(text, [placed.body.id]);
    await superuser.end();
    expect(
      rows.map(({ version, type, action, actor_type, actor_id, reason }) => [
        version,
        type,
        action,
        actor_type,
        actor_id,
        reason,
      ]),
    ).toEqual([
      [1, "OrderPlaced", "place", "user", as("customer1"), null],
      [2, "PaymentConfirmed", "confirm_payment", "user", as("customer1"), null],
      [3, "OrderCookingStarted", "status", "user", as("staff1"), null],
      [4, "OrderCancelled", "cancel", "user", as("admin"), "out of beetroot"],
    ]);
    const [first] = rows;
    expect([first.request_id, first.at.toISOString()]).toEqual([
      placed.headers.get("request-id"),
      placed.body.created_at,
    ]);
  });

  test("keeps events from a superuser's hands, too", async () => {
    const superuser = new pg.Client({ connectionString: app.databaseUrl ?? "" });
    await superuser.connect();
    const tries = ["update gesta.events set type = 'x'", "delete from gesta.events", "truncate gesta.events"];
    for (const text of tries) await expect(superuser.query(text)).rejects.toMatchObject({ code: "42501" });
    await superuser.end();
  });
});
