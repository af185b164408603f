import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { freshDatabase } from "../support/fresh-database.ts";
import { engines } from "../support/running-application.ts";
import { type RunningProgram, startProgram, startWords } from "../support/running-program.ts";

const program = startWords("drinks");
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function environmentFor(engine: "pglite" | "postgres") {
  const directory = mkdtempSync(join(tmpdir(), "gesta-process-"));
  cleanups.push(async () => rmSync(directory, { recursive: true, force: true }));
  const base = { ...process.env, PORT: "0", HOST: "127.0.0.1", GESTA_DATA: directory };
  if (engine === "pglite") return base;
  const database = await freshDatabase();
  cleanups.push(() => database.drop());
  return { ...base, DATABASE_URL: database.url };
}

async function start(env: NodeJS.ProcessEnv): Promise<RunningProgram> {
  const program = await startProgram("drinks", env);
  cleanups.push(async () => program.child.kill("SIGKILL"));
  return program;
}

const create = async (url: string, name: string): Promise<number> => {
  const reply = await fetch(`${url}/drinks`, { method: "POST", body: new URLSearchParams({ name, price: "1" }) });
  await reply.text();
  return reply.status;
};

async function names(url: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let skip = 0; ; skip += 1000) {
    const page = JSON.parse(await (await fetch(`${url}/drinks?limit=1000&skip=${skip}`)).text());
    for (const { name } of page.drinks) found.add(name);
    if (page.page.next === null) return found;
  }
}

test.each(engines)("SIGKILL during 1,000 creates loses no acknowledged one, on %s", async (engine) => {
  const env = await environmentFor(engine);
  const acknowledged: string[] = [];
  let sent = 0;
  for (let round = 1; round <= 4; round++) {
    const { child, url } = await start(env);
    const ended = once(child, "exit");
    // The last round runs to the end; the others are cut somewhere on their way.
    const cut = round === 4 ? Number.POSITIVE_INFINITY : acknowledged.length + 40 + Math.floor(Math.random() * 160);
    const client = async () => {
      while (sent < 1000 && child.signalCode === null) {
        const name = `drink ${sent++}`;
        const status = await create(url, name).catch(() => 0);
        if (status === 201) acknowledged.push(name);
        if (acknowledged.length >= cut) child.kill("SIGKILL");
        if (status === 0) return;
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    if (round < 4) {
      child.kill("SIGKILL");
      await ended;
    } else {
      const stored = await names(url);
      expect(acknowledged.length).toBeGreaterThan(900);
      expect(acknowledged.filter((name) => !stored.has(name))).toEqual([]);
      child.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
    }
  }
  const verified = spawnSync(process.execPath, ["bin/gesta.js", "verify", ...program.slice(2)], {
    env,
    encoding: "utf8",
  });
  expect([verified.status, verified.stdout]).toEqual([0, expect.stringContaining(", 0 findings")]);
});

test.each(engines)("SIGTERM finishes what was accepted and ends with 0, on %s", async (engine) => {
  const { child, url } = await start(await environmentFor(engine));
  const ended = once(child, "exit");
  const statuses = Promise.all(Array.from({ length: 50 }, (_, index) => create(url, `late ${index}`).catch(() => 0)));
  await pause(10);
  child.kill("SIGTERM");
  // Whatever reached the server is answered; a connection that came after is refused, never cut.
  expect((await statuses).every((status) => status === 201 || status === 0)).toBe(true);
  expect(await ended).toEqual([0, null]);
});

test("a second process on the embedded database is refused and told who holds it", async () => {
  const env = await environmentFor("pglite");
  const { child } = await start(env);
  const second = spawnSync(process.execPath, program, { env, encoding: "utf8" });
  expect(second.status).toBe(1);
  expect(second.stderr).toContain(`process ${child.pid}`);
});
