import { execFile } from "node:child_process";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runDelivery, type TestApplication } from "../support/running-application.ts";
import { repositoryRoot } from "../support/source-tree.ts";

const run = promisify(execFile);

let app: TestApplication;
let superuser: pg.Client;
let id: string;

beforeAll(async () => {
  app = await runDelivery("postgres");
  superuser = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await superuser.connect();
  id = (await app.call("POST", "/drinks", null, { name: "Kvass", price: 2 })).body.id;
  await superuser.query("update app.drinks set price = 3 where id = $1", [id]);
});
afterAll(async () => {
  await superuser.end();
  await app.stop();
});

/** The built command, beside the application that runs: its exit code and what it said. */
async function gesta(...words: readonly string[]) {
  const file = ["bin/gesta.js", ...words, "--application", "examples/delivery/dist/application.js"];
  const env = { ...process.env, DATABASE_URL: app.databaseUrl ?? "", GESTA_JWT_SECRET: "x".repeat(40) };
  return run(process.execPath, file, { cwd: repositoryRoot, env }).then(
    ({ stdout }) => ({ code: 0, said: stdout }),
    ({ code, stdout, stderr }) => ({ code, said: `${stdout}${stderr}` }),
  );
}

test("an operator reads the past, settles a change by hand and rebuilds, while the application runs", async () => {
  const history = await gesta("history", "drinks", String(id));
  expect(history.code).toBe(0);
  expect(history.said).toMatch(/2 {2}\S+Z {2}DrinkChangedByHand {2}operator postgres\n {3}price: 2 → 3/);
  const past = await gesta("as-of", "drinks", String(id), "--version", "1", "--json");
  expect(JSON.parse(past.said)).toMatchObject({ id, name: "Kvass", price: 2, version: 1 });
  expect(await gesta("as-of", "drinks", String(id), "2000-01-01T00:00:00Z")).toMatchObject({ code: 1 });
  expect(await gesta("as-of", "drinks", String(id), "2026-02-28")).toMatchObject({ code: 2 });
  expect(await gesta("verify")).toMatchObject({ code: 1, said: expect.stringContaining("changed_by_hand 2") });
  expect(await gesta("revert", "drinks", String(id))).toMatchObject({ code: 0 });
  expect(await gesta("revert", "drinks", String(id))).toMatchObject({ code: 1 });
  expect(await gesta("adopt", "nothing", "1")).toMatchObject({ code: 1 });
  await superuser.query("set session_replication_role = replica");
  await superuser.query("update app.drinks set price = 9 where id = $1", [id]);
  const rebuilt = await gesta("rebuild", "--json");
  expect(JSON.parse(rebuilt.said)).toEqual({
    rebuilt: [{ entity: "drinks", id: String(id), outcome: "restored", why: ["differs", "price"] }],
  });
  expect(await gesta("verify")).toMatchObject({ code: 0 });
  expect((await app.call("GET", `/drinks/${id}`)).body).toMatchObject({ price: 2, version: 3 });
});
