import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { emitOpenApi } from "../../src/emit/openapi/openapi-emitter.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { operationsOf } from "../support/described-operations.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

const { plan } = makePlan(delivery);
let app: TestApplication;
let client: pg.Client;
beforeAll(async () => {
  app = await runDelivery("postgres");
  client = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await app.stop();
});

/** All that is stored, row by row; but a wrong password counts as an attempt, or dry runs would be a way to guess one. */
async function stored(): Promise<string> {
  const { rows: tables } = await client.query(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables 
       where schemaname in ('app', 'gesta') and tablename <> 'sign_in_attempts' order by 1`,
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query(
      `select coalesce(string_agg(t::text, E'\\n' order by t::text), '') as text from ${name} t`,
    );
    texts.push(`${name}\n${rows[0]?.text}`);
  }
  return texts.join("\n");
}

const restaurant = seedId("restaurants", "1");
/** A record of each entity on which its actions can be done, and who may do them. */
const targets: Readonly<Record<string, string>> = {
  drinks: "1",
  users: seedId("users", "customer1"),
  restaurants: restaurant,
  menu_items: seedId("menu_items", "100"),
  promotions: seedId("promotions", "OLD"),
  orders: seedId("orders", "0"),
  files: seedId("files", "5"),
  documents: seedId("documents", "1"),
};

test("every write of every audience leaves the store as it was, and tells what it would have answered", async () => {
  expect((await app.call("POST", "/drinks", null, { name: "Water", price: 1 })).status).toBe(201);
  const before = await stored();
  const speakers: readonly (string | null)[] = [null, "customer1", "staff1", "manager", "admin"];
  const done: string[] = [];
  for (const speaker of speakers) {
    const role = speaker?.replace(/\d$/, "") ?? null;
    for (const { method, path, entity, example, parameters } of operationsOf(emitOpenApi(plan, role))) {
      if (method === "GET") continue;
      const where = path.replace("{id}", targets[entity] ?? "");
      const confirm = parameters.includes("confirm")
        ? `&confirm=${(await app.call("GET", `${where}/impact?action=delete`, speaker)).body.confirm}`
        : "";
      const headers = { "if-match": "*", "idempotency-key": `key of a dry run ${method}${path}`.replaceAll(" ", "-") };
      const reply = await app.call(method, `${where}?dry_run=true${confirm}`, speaker, example, headers);
      expect(reply.status, `${method} ${path} ${reply.text}`).toBeLessThan(500);
      expect([reply.headers.get("location"), reply.headers.get("etag")]).toEqual([null, null]);
      if (reply.status < 300) done.push(`${method} ${path} ${reply.status}`);
      expect(await stored(), `${method} ${path}`).toBe(before);
    }
  }
  expect(done).toEqual(
    expect.arrayContaining([
      "POST /drinks 201",
      "POST /users 201",
      "POST /orders 201",
      "POST /orders/{id}/cancel 200",
      "PATCH /menu_items/{id} 200",
      "DELETE /orders/{id} 204",
      "DELETE /files/{id} 204",
      "POST /api_keys 201",
    ]),
  );
});

test("signing in and making a key are checked, and neither is made", async () => {
  const before = await stored();
  const credentials = { email: "customer1@example.com", password: "customer1-password" };
  const signIn = await app.call("POST", "/sessions?dry_run=true", null, credentials);
  expect([signIn.status, signIn.headers.get("set-cookie")]).toEqual([201, null]);
  expect(signIn.body).toEqual({
    token: null,
    expires_at: null,
    user: expect.objectContaining({ id: seedId("users", "customer1") }),
  });
  const wrong = await app.call("POST", "/sessions?dry_run=true", null, { ...credentials, password: "not this one" });
  expect([wrong.status, wrong.body.code]).toEqual([401, "unauthenticated"]);
  const key = await app.call("POST", "/api_keys?dry_run=true", "customer1", { name: "k", scopes: ["orders:read"] });
  const expected = { id: null, name: "k", key: null, scopes: ["orders:read"], created_at: null };
  expect([key.status, key.body]).toEqual([201, expected]);
  expect((await app.call("POST", "/api_keys?dry_run=true", "customer1", { name: 1 })).status).toBe(422);
  expect(await stored()).toBe(before);
});

test("dry runs in the middle of real commands disturb none of them", async () => {
  const drink = (name: string, query = "") => app.call("POST", `/drinks${query}`, null, { name, price: 1 });
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => drink(`drink ${index}`, index % 2 === 0 ? "" : "?dry_run=true")),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
  const { rows } = await client.query("select name from app.drinks where name like 'drink %' order by id");
  expect(rows.map(({ name }) => Number(name.slice(6))).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, index) => index * 2),
  );
});
