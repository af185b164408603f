import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

let app: TestApplication;
let sql: pg.Client;
beforeAll(async () => {
  app = await runDelivery("postgres");
  sql = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await sql.connect();
});
afterAll(async () => {
  await sql?.end();
  await app?.stop();
});

test("a command waits for its record before it has a transaction id, so that its event comes after those it waited for", async () => {
  const lock = "hashtextextended($1, 0)";
  const user = seedId("users", "customer1");
  await sql.query(`select pg_advisory_lock(${lock})`, [user]);
  let answered = false;
  const key = { "idempotency-key": randomUUID() };
  const reply = app.call("PATCH", "/users/me/name", "customer1", { name: "Kim" }, key).finally(() => {
    answered = true;
  });
  const waiting = async () => {
    const text =
      "select backend_xid::text from pg_stat_activity where datname = current_database() and wait_event = 'advisory'";
    return (await sql.query<{ backend_xid: string | null }>(text)).rows;
  };
  let seen = await waiting();
  while (seen.length === 0 && !answered) {
    await pause(5);
    seen = await waiting();
  }
  await sql.query(`select pg_advisory_unlock(${lock})`, [user]);
  expect(seen).toEqual([{ backend_xid: null }]);
  expect((await reply).status).toBe(200);
});
