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
