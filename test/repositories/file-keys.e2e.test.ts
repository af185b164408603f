import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { type RunningApplication, startApplication } from "../../src/gesta.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { parseDestroyed } from "../../src/kernel/destroyed-subjects.ts";
import { silent } from "../../src/kernel/observation.ts";
import { seededToken, verifyApplication, withLedger, withPurges } from "../../src/operations.ts";
import { fileKeys } from "../../src/repositories/subject-keys/file-keys.ts";

const secret = "the secret of the tests, long enough";
const directory = mkdtempSync(join(tmpdir(), "gesta-keys-"));
const keys = join(directory, "keys");
const configuration = readConfiguration(
  { PORT: "0", HOST: "127.0.0.1", GESTA_DATA: join(directory, "data"), GESTA_KEYS: keys, GESTA_JWT_SECRET: secret },
  () => "",
);
const around = { configuration, secret, observe: silent };
let running: RunningApplication;

beforeAll(async () => {
  running = await startApplication(delivery, around);
});
afterAll(async () => {
  await running.close();
  rmSync(directory, { recursive: true, force: true });
});

async function call(method: string, path: string, who: string | null, body?: object) {
  const reply = await fetch(`${running.url}${path}`, {
    method,
    headers: {
      ...(who === null ? {} : { authorization: `Bearer ${await seededToken(delivery, who, secret)}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, body: text === "" ? {} : JSON.parse(text) };
}

const person = { name: "Vera", email: "vera@example.com", password: "a long password of hers" };
const keyOf = (id: string) => join(keys, `${id}.key`);
const files = () => readdirSync(keys).length;
let id = "";

test("each subject's key is a file for its owner alone, made before what it seals; a refused one leaves none", async () => {
  const sown = files();
  expect(sown).toBeGreaterThan(5);
  ({ id } = (await call("POST", "/users", null, person)).body);
  expect(statSync(keyOf(id)).mode & 0o777).toBe(0o600);
  expect(Buffer.from(readFileSync(keyOf(id), "utf8"), "base64")).toHaveLength(32);
  expect((await call("POST", "/users", null, person)).status).toBe(409);
  expect((await call("POST", "/users?dry_run=true", null, { ...person, email: "dry@example.com" })).status).toBe(201);
  expect(files()).toBe(sown + 1);
  const { body } = await call("GET", `/users/${id}/history`, "admin");
  expect(body.events[0].changes.email).toEqual({ from: null, to: person.email });
});

test("a key that is missing without a purge is a finding, and no reason to empty the record", async () => {
  const text = readFileSync(keyOf(id), "utf8");
  rmSync(keyOf(id));
  const { body } = await call("GET", `/users/${id}/history`, "admin");
  expect(body.events[0].changes.email).toEqual({ from: null, to: null });
  await running.close();
  const { findings } = await verifyApplication(delivery, around);
  expect(findings).toEqual([{ entity: "users", stream: id, fault: "unreadable", at: ["1"] }]);
  expect(await withLedger(delivery, around, (ledger) => ledger.rebuild({}))).toEqual([]);
  writeFileSync(keyOf(id), text);
  expect((await verifyApplication(delivery, around)).findings).toEqual([]);
  running = await startApplication(delivery, around);
});

test("a purge destroys the file and lists the subject beside it; the list is applied again to an older database", async () => {
  const { confirm } = (await call("GET", `/users/${id}/impact?action=delete`, "admin")).body;
  await call("DELETE", `/users/${id}?confirm=${confirm}`, "admin");
  await running.close();
  const purged = await withPurges(delivery, around, (purges) => purges.purge("users", id, "a letter"));
  expect(purged.clean).toBe(true);
  expect(existsSync(keyOf(id))).toBe(false);
  const list = readFileSync(join(keys, "destroyed.ndjson"), "utf8");
  expect(parseDestroyed(list)).toEqual([{ entity: "users", id, at: purged.at }]);

  // Another one, as a backup of before would have her: alive here, destroyed there.
  running = await startApplication(delivery, around);
  const other = (await call("POST", "/users", null, { ...person, email: "other@example.com" })).body.id;
  await running.close();
  await fileKeys(keys).destroy({ entity: "users", id: other, at: purged.at });
  const told: string[] = [];
  running = await startApplication(delivery, { ...around, observe: ({ kind }) => told.push(kind) });
  expect(told.filter((kind) => kind === "purged")).toHaveLength(1);
  expect((await call("GET", `/users/${other}`, "admin")).status).toBe(410);
  const { body } = await call("GET", `/users/${other}/history`, "admin");
  expect(body.events.map(({ type }: { type: string }) => type)).toEqual(["UserRegistered", "UserPurged"]);
  await running.close();
  expect((await verifyApplication(delivery, around)).findings).toEqual([]);
  running = await startApplication(delivery, around);
});

test("a list with a line that is none is refused by its number", () => {
  const line = JSON.stringify({ entity: "users", id: "1", at: "2026-01-01T00:00:00.000Z" });
  expect(parseDestroyed(`${line}\n\n`)).toHaveLength(1);
  expect(() => parseDestroyed(`${line}\nnonsense`)).toThrow("line 2");
  expect(() => parseDestroyed(`${line}\n{"entity":"users"}`)).toThrow("line 2");
});
