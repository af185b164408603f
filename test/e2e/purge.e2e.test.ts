import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { findBinaries } from "../../src/testing/postgres-binaries.ts";
import { type FreshDatabase, freshDatabase } from "../support/fresh-database.ts";
import { placesOf } from "../support/places-of.ts";
import { type RunningProcess, runCommand, startProcess } from "../support/running-process.ts";

/** Whatever is said of the person; none of it may be anywhere in the end. */
const canaries = ["Canarova", "canary.first", "canary.second", "canary-portrait", "Canarbyhand", "canary-browser"];
const email = "canary.first@example.com";
const later = "canary.second@example.com";

let database: FreshDatabase;
let directory: string;
let env: NodeJS.ProcessEnv;
let superuser: pg.Client;
const processes: RunningProcess[] = [];
let id = "";
let admin = "";
const commands: string[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  directory = mkdtempSync(join(tmpdir(), "gesta-purge-"));
  env = {
    ...process.env,
    ...{ PORT: "0", HOST: "127.0.0.1", GESTA_DATA: directory, DATABASE_URL: database.url, LOG_LEVEL: "trace" },
    GESTA_JWT_SECRET: "a secret of the tests, long enough for it",
  };
  processes.push(await startProcess(env));
  processes.push(await startProcess(env));
  superuser = new pg.Client({ connectionString: database.url });
  await superuser.connect();
});
afterAll(async () => {
  for (const running of processes) await running.stop();
  await superuser.end();
  await database.drop();
  rmSync(directory, { recursive: true, force: true });
});

async function gesta(...words: string[]): Promise<string> {
  const { code, said, complained } = await runCommand(words, env);
  expect(code, `${words.join(" ")}: ${complained}`).toBe(0);
  commands.push(said, complained);
  return said;
}

async function call(method: string, path: string, token: string | null, body?: object, headers: object = {}) {
  const { url } = processes[Math.floor(Math.random() * 2)] ?? processes[0] ?? { url: "" };
  const reply = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, text, body: text === "" ? {} : JSON.parse(text) };
}

/** Lines of all logs of this kind. */
const logged = (kind: string): readonly Record<string, unknown>[] =>
  processes
    .flatMap((running) => running.said().split("\n"))
    .filter((line) => line.includes(`"msg":"${kind}"`))
    .map((line) => JSON.parse(line));

async function until(found: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await found())) {
    if (Date.now() > deadline) throw new Error("it did not happen within a minute");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const adminToken = async () => (await gesta("token", "--as", "admin")).trim();
const userPath = () => `/users/${id}`;
const historyOf = async () => (await call("GET", `${userPath()}/history`, admin)).body.events;

describe("a person who asks to be forgotten", () => {
  test("leaves personal values in the events sealed, and in no audit", async () => {
    admin = await adminToken();
    const person = { name: "Vera Canarova", email, password: "a long password of hers" };
    const registered = await call("POST", "/users", null, person, {
      "idempotency-key": "registration-of-the-canary",
      "user-agent": "canary-browser",
    });
    expect(registered.status).toBe(201);
    id = registered.body.id;
    const login = { email, password: person.password };
    const session = await call("POST", "/sessions", null, login, { "user-agent": "canary-browser/1" });
    expect(session.status).toBe(201);
    const { token } = session.body;
    const changes = [
      await call(
        "PATCH",
        `${userPath()}/email`,
        token,
        { email: later },
        { "idempotency-key": "an-email-changed-now" },
      ),
      await call("PATCH", `${userPath()}/avatar`, token, { avatar: "https://example.com/canary-portrait.png" }),
      await call("POST", "/api_keys", token, { name: "Canarova's key" }),
      await call(
        "POST",
        "/orders",
        token,
        {
          restaurant_id: seedId("restaurants", "1"),
          items: [{ menu_item_id: seedId("menu_items", "100"), quantity: 1 }],
        },
        { "idempotency-key": "an-order-of-the-canary" },
      ),
    ];
    expect(changes.map(({ status }) => status)).toEqual([200, 200, 201, 201]);
    await superuser.query("update app.users set name = 'Vera Canarbyhand' where id = $1", [id]);

    expect(await placesOf(superuser, canaries)).toEqual([
      "app.users",
      "gesta.api_keys",
      "gesta.idempotency",
      "gesta.sessions",
      "gesta.set_aside",
    ]);
    const { rows } = await superuser.query("select data->'email' as email from gesta.events where stream_id = $1", [
      id,
    ]);
    expect(rows.map((row) => row.email).filter((value) => value !== null)).toEqual([
      { sealed: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/), version: 1 },
      { sealed: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/), version: 2 },
    ]);
  });

  test("is read out of the past as before, in every way there is", async () => {
    const events = await historyOf();
    expect(events.map((event: { changes: object }) => event.changes)).toMatchObject([
      { name: { from: null, to: "Vera Canarova" }, email: { from: null, to: email } },
      { email: { from: email, to: later } },
      { avatar: { to: "https://example.com/canary-portrait.png" } },
      { name: { from: "Vera Canarova", to: "Vera Canarbyhand" } },
    ]);
    expect((await call("GET", `${userPath()}?as_of_version=1`, admin)).body).toMatchObject({ email, avatar: null });
    const moment = encodeURIComponent(events[1].at);
    const list = await call("GET", `/users?as_of=${moment}&id=${id}`, admin);
    expect(list.body.users).toMatchObject([{ id, email: later, name: "Vera Canarova", version: 2 }]);
    const orders = await call("GET", "/orders?expand=user&sort=-created_at&limit=1", admin);
    expect(orders.body.orders).toMatchObject([{ user: { id, name: "Vera Canarbyhand" } }]);
    for (const query of ["email=x@example.com", "email[starts]=can"]) {
      const refused = await call("GET", `/users?as_of=${moment}&${query}`, admin);
      expect([refused.status, refused.body.errors[0].code]).toEqual([400, "invalid_parameter"]);
      expect(refused.body.errors[0].message).toContain("personal");
    }
    expect((await runCommand(["verify"], env)).said).toMatch(/changed_by_hand 4\n.* 1 findings\n$/);
    expect((await runCommand(["history", "users", id], env)).said).toContain('"Vera Canarova" → "Vera Canarbyhand"');
    expect((await runCommand(["as-of", "users", id, "--version", "1"], env)).said).toContain(email);
    await gesta("revert", "users", id);
    expect((await call("GET", userPath(), admin)).body).toMatchObject({ name: "Vera Canarova", version: 5 });
    expect(await gesta("verify")).toMatch(/ 0 findings\n$/);
    commands.length = 0;
  });

  test("is announced once, and purged once, though two processes look", async () => {
    const impact = await call("GET", `${userPath()}/impact?action=delete`, admin);
    const unconfirmed = await call("DELETE", userPath(), admin);
    expect([unconfirmed.status, unconfirmed.body.code]).toEqual([409, "confirmation_required"]);
    expect((await call("DELETE", `${userPath()}?confirm=${impact.body.confirm}`, admin)).status).toBe(204);

    expect(JSON.parse(await gesta("clock", "advance", "23d", "--json"))).toMatchObject({ ahead_seconds: 23 * 86_400 });
    await until(() => logged("purge_notice").length > 0);
    expect((await call("GET", userPath(), await adminToken())).status).toBe(410);
    const [trashed] = JSON.parse(await gesta("trash", "--entity", "users", "--json"));
    expect(trashed).toMatchObject({
      id,
      noticed_at: expect.any(String),
      purge_at: logged("purge_notice")[0]?.purge_at,
    });
    expect(logged("purged")).toEqual([]);

    await gesta("clock", "advance", "7d");
    const isSettled = async () =>
      (await superuser.query("select from gesta.purges where settled and stream_id = $1", [id])).rows.length > 0;
    await until(isSettled);
    await until(() => logged("purged").length > 0);
    admin = await adminToken();
    expect(logged("purge_notice")).toHaveLength(1);
    expect(logged("purged")).toMatchObject([{ entity: "users", id, clean: true }]);
    const types = (await historyOf()).map((event: { type: string }) => event.type);
    expect(types.filter((type: string) => type === "UserPurged")).toHaveLength(1);
    expect(JSON.parse(await gesta("trash", "--json"))).toEqual([]);
    expect((await call("GET", "/users?deleted=only", admin)).body.users).toEqual([]);
    expect(JSON.parse(await gesta("purge", "--due", "--json"))).toEqual({ purged: [], clean: true });
  });

  test("is nowhere any more: no table, index, reply, log, output or dump", async () => {
    expect(await placesOf(superuser, canaries)).toEqual([]);
    // Of rows that are dead but there the statistics know; the index of addresses finds none of hers.
    await superuser.query("set enable_seqscan = off");
    const found = await superuser.query("select from app.users where lower(email) = any ($1)", [[email, later]]);
    expect(found.rows).toEqual([]);
    const { rows: keys } = await superuser.query(
      "select key, destroyed_at from gesta_keys.subjects where subject_id = $1",
      [id],
    );
    expect(keys).toEqual([{ key: null, destroyed_at: expect.any(Date) }]);

    const binary = join(findBinaries(directory, undefined), "pg_dump");
    const dump = existsSync(binary)
      ? execFileSync(binary, [database.url], { encoding: "utf8", maxBuffer: 2 ** 28 })
      : "";
    const outputs = [
      ...processes.map((running) => running.said()),
      ...commands,
      await gesta("history", "users", id, "--json"),
      await gesta("as-of", "users", id, "--version", "2"),
      await gesta("purge", "--list"),
      dump,
    ].join("\n");
    for (const canary of canaries) expect(outputs.toLowerCase()).not.toContain(canary.toLowerCase());
    if (dump !== "") expect(dump).toContain(id);
  });

  test("leaves facts without a face: the chain holds, nobody restores, the order stays", async () => {
    expect(await gesta("verify")).toMatch(/ 0 findings\n$/);
    expect(JSON.parse(await gesta("rebuild", "--json"))).toEqual({ rebuilt: [] });
    const events = await historyOf();
    expect(events[0]).toMatchObject({
      type: "UserRegistered",
      changes: {
        name: { from: null, to: null },
        email: { from: null, to: null },
        role: { from: null, to: "customer" },
      },
    });
    expect(events.at(-1)).toMatchObject({ type: "UserPurged", actor: { type: "system" }, action: "purge" });
    const past = await call("GET", `${userPath()}?as_of_version=2`, admin);
    expect(past.body).toMatchObject({ id, name: null, email: null, avatar: null, role: "customer", version: 2 });
    const restored = await call("POST", `${userPath()}/restore`, admin, {});
    expect([restored.status, restored.body.code, restored.body.detail]).toEqual([
      409,
      "conflict",
      "The record was purged: it cannot come back.",
    ]);
    expect((await call("GET", userPath(), admin)).status).toBe(410);
    const login = await call("POST", "/sessions", null, { email: later, password: "a long password of hers" });
    expect(login.status).toBe(401);
    const orders = await call("GET", `/orders?user_id=${id}&expand=user`, admin);
    expect(orders.body.orders).toMatchObject([{ user_id: id, user: null }]);
    expect(
      (await call("POST", "/users", null, { name: "New", email: later, password: "another password" })).status,
    ).toBe(201);
  });

  test("is not brought back by a backup of before", async () => {
    // A copy as it was before she was deleted is too easily made: here she is another one, purged after the copy.
    const person = { name: "Second Canarova", email: "canary.third@example.com", password: "a long password of hers" };
    const other = (await call("POST", "/users", null, person)).body.id;
    for (const running of processes.splice(0)) await running.stop();
    await superuser.end();
    const copy = `${new URL(database.url).pathname.slice(1)}_backup`;
    const server = new pg.Client({ connectionString: new URL("/postgres", database.url).href });
    await server.connect();
    await server.query(`create database ${copy} template ${new URL(database.url).pathname.slice(1)}`);
    try {
      const list = join(directory, "destroyed.ndjson");
      const before = await gesta("purge", "--list");
      const purged = { entity: "users", id: other, at: new Date().toISOString() };
      const unborn = { entity: "users", id: "01a20e91-cfc8-74d6-bd62-9408504c6fa8", at: purged.at };
      writeFileSync(list, `${before}${JSON.stringify(purged)}\n${JSON.stringify(unborn)}\n`);
      const restored = new URL(`/${copy}`, database.url).href;
      const running = await startProcess({ ...env, DATABASE_URL: restored, GESTA_DESTROYED: list });
      superuser = new pg.Client({ connectionString: restored });
      await superuser.connect();
      expect(await placesOf(superuser, ["canarova", "canary.third"])).toEqual([]);
      expect(running.said().match(/"msg":"purged"/g)).toHaveLength(1);
      await running.stop();
      const { said } = await runCommand(["verify"], { ...env, DATABASE_URL: restored });
      expect(said).toMatch(/ 0 findings\n$/);
      await superuser.end();
    } finally {
      await server.query(`drop database if exists ${copy} with (force)`);
      await server.end();
    }
    superuser = new pg.Client({ connectionString: database.url });
    await superuser.connect();
  });

  test("before her time, on demand and with a reason; whoever is not deleted is not purged", async () => {
    const { rows } = await superuser.query("select id from app.users where email = 'canary.third@example.com'");
    const other = rows[0].id;
    const asked = ["purge", "users", other, "--reason", "a letter of the third of May", "--json"];
    const early = await runCommand(asked, env);
    expect([early.code, early.complained]).toEqual([1, expect.stringContaining("is not deleted: delete it first")]);
    processes.push(await startProcess(env));
    admin = await adminToken();
    const impact = await call("GET", `/users/${other}/impact?action=delete`, admin);
    expect((await call("DELETE", `/users/${other}?confirm=${impact.body.confirm}`, admin)).status).toBe(204);
    const report = JSON.parse(await gesta(...asked));
    expect(report).toMatchObject({ clean: true, purged: [{ entity: "users", id: other, clean: true }] });
    const tables = report.purged[0].looked_at.map((place: { table: string }) => place.table);
    expect(tables.sort()).toEqual([
      "app.users",
      ...["gesta.api_keys", "gesta.audit", "gesta.events", "gesta.idempotency", "gesta.secrets", "gesta.sessions"],
      ...["gesta.set_aside", "gesta_keys.subjects"],
    ]);
    expect((await call("GET", `/users/${other}/history?order=desc&limit=1`, admin)).body.events).toMatchObject([
      { type: "UserPurged", reason: "a letter of the third of May", actor: { type: "operator", id: "postgres" } },
    ]);
    const again = await runCommand(asked, env);
    expect([again.code, again.complained]).toEqual([1, expect.stringContaining("is purged already")]);
  });
});

test("production's clock is nobody's to move", async () => {
  const production = { ...env, GESTA_ENV: "production", GESTA_OWNER_URL: database.url };
  for (const words of [["clock"], ["clock", "advance", "1d"]]) {
    const { code, complained } = await runCommand(words, production);
    expect([code, complained]).toEqual([1, expect.stringContaining("works in development only")]);
  }
});
