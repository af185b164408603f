import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PostgresServer, startPostgres } from "../../src/testing/postgres-server.ts";
import { type RunningProgram, startProgram } from "../support/running-program.ts";

// What is killed here is killed for good: a server of its own, durable as in production.
let server: PostgresServer;
let program: RunningProgram;
const directory = mkdtempSync(join(tmpdir(), "gesta-crash-"));
const returnsWithin = 10_000;

beforeAll(async () => {
  server = await startPostgres();
  const env = { ...process.env, PORT: "0", HOST: "127.0.0.1", GESTA_DATA: directory, DATABASE_URL: server.url() };
  program = await startProgram("drinks", { ...env, LOG_LEVEL: "fatal" });
});
afterAll(async () => {
  program?.child.kill("SIGKILL");
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Seen {
  readonly status: number;
  readonly code: string | null;
  readonly retryAfter: string | null;
}

async function ask(path: string, init: RequestInit = {}): Promise<Seen> {
  const reply = await fetch(`${program.url}${path}`, init);
  const body = JSON.parse(await reply.text());
  return { status: reply.status, code: body.code ?? null, retryAfter: reply.headers.get("retry-after") };
}

let drinks = 0;
const create = () =>
  ask("/drinks", { method: "POST", body: new URLSearchParams({ name: `drink ${drinks++}`, price: "1" }) });

const serves = { status: 200, code: null, retryAfter: null };
const away = { status: 503, code: "overloaded", retryAfter: "1" };

test.each(["SIGKILL", "SIGQUIT"] as const)(
  "a database that dies by %s and returns is served from again, without a restart",
  async (signal) => {
    expect(await ask("/readyz")).toEqual(serves);
    // Eight clients write all the time, through the crash and the return.
    let busy = true;
    const acknowledged: string[] = [];
    const refused: Seen[] = [];
    const clients = Array.from({ length: 8 }, async () => {
      while (busy) {
        const name = `drink ${drinks}`;
        const seen = await create();
        if (seen.status === 201) acknowledged.push(name);
        else refused.push(seen);
        await pause(5);
      }
    });
    while (acknowledged.length < 50) await pause(10);

    await server.kill(signal);
    // The sessions of a killed postmaster outlive it for a moment; then everything is away.
    while ((await ask("/readyz")).status === 200) await pause(10);
    for (const path of ["/readyz", "/drinks", "/drinks/1"]) expect(await ask(path)).toEqual(away);
    expect(await ask("/healthz")).toEqual(serves);
    expect((await ask("/nothing")).status).toBe(404);

    await server.restart();
    const returned = performance.now();
    while ((await ask("/drinks")).status !== 200 || (await create()).status !== 201) {
      if (performance.now() - returned > returnsWithin) throw new Error("it does not serve again");
      await pause(20);
    }
    const seconds = (performance.now() - returned) / 1000;
    expect(await ask("/readyz")).toEqual(serves);
    const before = acknowledged.length;
    while (acknowledged.length < before + 50) await pause(10);
    busy = false;
    await Promise.all(clients);
    process.stdout.write(
      `${signal}: served again ${seconds.toFixed(2)} s after the return; ${refused.length} refused meanwhile\n`,
    );

    // Only a write that was under way when the database died may be in doubt; each is told when to come again.
    for (const seen of refused) {
      expect([away, { ...away, code: "outcome_unknown" }]).toContainEqual(seen);
    }
    const stored = await names();
    expect(acknowledged.filter((name) => !stored.has(name))).toEqual([]);
    expect(program.child.exitCode).toBeNull();
  },
);

test("and it ends in order", async () => {
  const ended = once(program.child, "exit");
  program.child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});

async function names(): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let skip = 0; ; skip += 1000) {
    const page = JSON.parse(await (await fetch(`${program.url}/drinks?limit=1000&skip=${skip}`)).text());
    for (const { name } of page.drinks) found.add(name);
    if (page.page.next === null) return found;
  }
}
