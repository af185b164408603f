import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

let app: TestApplication;
let sql: pg.Client;
beforeAll(async () => {
  app = await runDelivery("postgres");
  await app.call("POST", "/drinks", null, { name: "Jack", price: 10 });
  sql = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await sql.connect();
});
afterAll(async () => {
  await sql?.end();
  await app?.stop();
});

test("whoever must wait too long for a lock of an operator's is told to come again: 503, and not that something broke", async () => {
  await sql.query("begin; lock table app.drinks in access exclusive mode");
  const replies = await Promise.all(["/drinks/1", "/drinks/2", "/drinks"].map((path) => app.call("GET", path)));
  await sql.query("rollback");
  for (const { status, body, headers } of replies) {
    expect([status, body.code, headers.get("retry-after")]).toEqual([503, "overloaded", "1"]);
  }
  expect((await app.call("GET", "/drinks/1")).status).toBe(200);
});

test("a change that must wait too long for a record fails alone, and those beside it are done", async () => {
  const ids = await Promise.all(
    ["a", "b", "c", "d", "e", "f"].map(
      async (name) => (await app.call("POST", "/drinks", null, { name, price: 1 })).body.id,
    ),
  );
  await sql.query("begin");
  await sql.query("select from app.drinks where id = $1 for update", [ids[2]]);
  const replies = await Promise.all(ids.map((id) => app.call("PATCH", `/drinks/${id}`, null, { price: 2 })));
  await sql.query("rollback");
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 503, 200, 200, 200]);
});

test("a list that takes longer than a statement may says what to do, and takes no other along", async () => {
  // What is asked for once in a search for the start of a text takes longer than it may.
  await sql.query(`create or replace function gesta.after_start(start text) returns text language plpgsql immutable as $$
    begin perform pg_sleep(6); return start; end $$`);
  const slow = app.call("GET", "/drinks?name[starts]=J");
  const others = await Promise.all(["Jack", "a", "b"].map((name) => app.call("GET", `/drinks?name=${name}`)));
  expect(others.map(({ status }) => status)).toEqual([200, 200, 200]);
  const { status, body, headers } = await slow;
  expect([status, body.code, headers.get("retry-after")]).toEqual([503, "overloaded", "5"]);
  expect(body.detail).toBe(
    "The list took too long to find. Narrow it with a filter that has an index: any but `contains`.",
  );
}, 30_000);
