import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { startApplication } from "../../src/gesta.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import type { Observation } from "../../src/kernel/observation.ts";
import { verifyApplication } from "../../src/operations.ts";
import { type PostgresServer, startPostgres } from "../../src/testing/postgres-server.ts";
import { unsafeDatabases } from "./unsafe-databases.ts";

// Roles and settings are the whole server's: a server of its own, with the settings of production.
let server: PostgresServer;
let owner: pg.Client;
const secret = "0123456789abcdef0123456789abcdef";

beforeAll(async () => {
  server = await startPostgres();
  owner = await connected(server.url());
  // The two logins of docs/configuration.md; none of them is a superuser.
  await owner.query("create role migrator login createrole; create role reporter");
  await owner.query("set role migrator");
  await owner.query("create role gesta_app nologin noinherit; create role shop login noinherit in role gesta_app");
  await owner.query("reset role");
  await owner.query("create database shop owner migrator");
  await owner.end();
  owner = await connected(server.url("shop"));
  await start();
});
afterAll(async () => {
  await owner?.end();
  await server?.stop();
});

/** Undoes what a test broke. */
let mend = "";
/** Policies and functions are mended as the fault's remedy says. */
const again = "delete from gesta.migrations where name = 'objects'";
afterEach(async () => {
  await owner.query(mend);
  if (mend === again) await start();
  mend = "";
});

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** The surroundings of a production start, and what was observed in them. */
function production(changed: Readonly<Record<string, string>> = {}) {
  const environment = {
    GESTA_ENV: "production",
    PORT: "0",
    HOST: "127.0.0.1",
    DATABASE_URL: server.url("shop", "shop"),
    GESTA_OWNER_URL: server.url("shop", "migrator"),
    GESTA_JWT_SECRET: secret,
    ...changed,
  };
  const observed: Observation[] = [];
  const configuration = readConfiguration(environment, () => "a certificate");
  return { observed, configuration, secret, observe: (observation: Observation) => void observed.push(observation) };
}

/** Starts as production would and ends at once; what was observed on the way. */
async function start(changed?: Readonly<Record<string, string>>): Promise<readonly Observation[]> {
  const around = production(changed);
  const running = await startApplication(delivery, around);
  await running.close();
  return around.observed;
}

const refusal = (changed?: Readonly<Record<string, string>>): Promise<string> =>
  start(changed).then(
    () => "started",
    (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
  );

test("a safe database starts, and starts again", async () => {
  expect(await start()).toEqual([]);
});

test("an owner that is no superuser sees every record when it verifies them", async () => {
  const report = await verifyApplication(delivery, production());
  expect(report.streams).toBeGreaterThan(50);
  expect(report.findings).toEqual([]);
});

test.each([
  ["tables", /^The tables in .* were made from another declaration\. Start with an empty database/],
  ["ledger", /^The tables in .* were made by another version of Gesta\. Start with an empty database/],
])("what no migration leads to is refused: %s", async (name, message) => {
  const { rows } = await owner.query("select hash from gesta.migrations where name = $1", [name]);
  mend = `update gesta.migrations set hash = '${rows[0].hash}' where name = '${name}'`;
  await owner.query("update gesta.migrations set hash = 'another' where name = $1", [name]);
  await expect(start()).rejects.toThrow(message);
});

test("another search_path is no fault", async () => {
  await owner.query("alter database shop set search_path = app, gesta, public");
  mend = "alter database shop reset search_path";
  expect(await start()).toEqual([]);
});

test.each(unsafeDatabases)("production refuses $fault", async ({ broken, mended, says }) => {
  mend = mended === "" ? again : mended;
  await owner.query(broken);
  const said = await refusal();
  expect(said).toContain("UnsafeStart: This start is not safe for production: ");
  expect(said).toContain(says);
  expect(said.match(/\n {4}-> \S/g)?.length).toBe(Number(/: (\d+) fault/.exec(said)?.[1]));
});

test("all faults are told at once, those of the environment too", async () => {
  await owner.query("alter role shop createrole; grant insert on app.orders to public");
  mend = "alter role shop nocreaterole; revoke insert on app.orders from public";
  const said = await refusal({ GESTA_JWT_SECRET: "short" });
  expect(said).toContain("3 fault(s)");
  expect(said).toContain("GESTA_JWT_SECRET has 5 characters");
  expect(said).toContain("may create roles");
  expect(said).toContain("PUBLIC has INSERT on table app.orders");
});

test("an unsafe role is refused before anything is changed", async () => {
  await owner.query("create database untouched owner migrator");
  mend = "drop database untouched with (force)";
  const there = { GESTA_OWNER_URL: server.url("untouched", "migrator") };
  expect(await refusal({ ...there, DATABASE_URL: server.url("untouched") })).toContain("postgres is a superuser");
  const client = await connected(server.url("untouched"));
  const { rows } = await client.query("select to_regnamespace('gesta') as schema");
  await client.end();
  expect(rows).toEqual([{ schema: null }]);
});

test("development starts with every fault, and warns of it", async () => {
  await owner.query("grant insert on app.orders to gesta_app");
  mend = "revoke insert on app.orders from gesta_app";
  const observed = await start({ GESTA_ENV: "development", DATABASE_URL: server.url("shop"), GESTA_JWT_SECRET: "x" });
  expect(observed).toEqual([{ kind: "unsafe_start", faults: expect.any(Array) }]);
  const text = JSON.stringify(observed);
  expect(text).toContain("postgres is a superuser");
  expect(text).toContain("INSERT on table app.orders");
  expect(text).toContain("GESTA_JWT_SECRET has 1 characters");
});

test("the remedy for a policy is what mends it", async () => {
  await owner.query("alter policy read on app.orders using (true)");
  mend = again;
  expect(await refusal()).toContain(again);
  await owner.query(again);
  expect(await start()).toEqual([]);
});

test("options in the URL cannot take the session out of its role", async () => {
  expect(await refusal({ DATABASE_URL: `${server.url("shop", "shop")}?options=-c%20role%3Dnone` })).toContain(
    "it acts as shop",
  );
});

test.each(["fsync", "full_page_writes"])("a server with %s off loses data when its machine fails", async (setting) => {
  const set = async (value: "on" | "off") => {
    await owner.query(`alter system set ${setting} = ${value}`);
    await owner.query("select pg_reload_conf()");
    const shown = async () => (await owner.query(`show ${setting}`)).rows[0][setting];
    while ((await shown()) !== value) await pause(10);
  };
  await set("off");
  const said = await refusal();
  await set("on");
  expect(said).toContain(`the server runs with ${setting} = off`);
});
