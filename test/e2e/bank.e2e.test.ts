import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { walletOf } from "../../examples/delivery/wallets.ts";
import { seedId } from "../../src/declare/application.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { signToken } from "../../src/services/tokens.ts";
import { type Random, seededRandom } from "../../src/testing/agreement/random.ts";
import { type PostgresServer, startPostgres } from "../../src/testing/postgres-server.ts";
import { type BankHistory, type BankRead, bankFaults, type TransferCall } from "../support/bank-check.ts";
import { exchange, type Received } from "../support/http-exchange.ts";
import { type RunningProgram, startProgram, startWords } from "../support/running-program.ts";

// The full size, as a release is tested:
// GESTA_TEST_BANK_WALLETS=50 GESTA_TEST_BANK_CLIENTS=16 GESTA_TEST_BANK_SECONDS=300.
const size = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const walletCount = size("GESTA_TEST_BANK_WALLETS", 10);
const clientCount = size("GESTA_TEST_BANK_CLIENTS", 8);
const seconds = size("GESTA_TEST_BANK_SECONDS", 8);
const seed = size("GESTA_TEST_SEED", Math.floor(Math.random() * 2 ** 31));
/** A long run kills the database as well, every so many kills. */
const databaseEvery = seconds < 60 ? Number.POSITIVE_INFINITY : 4;
const readerCount = 2;
const opening = 1000;

const secret = "0123456789abcdef0123456789abcdef";
const directory = mkdtempSync(join(tmpdir(), "gesta-bank-"));
// Durable as in production, and killed with no harm to other tests.
let server: PostgresServer;
let env: NodeJS.ProcessEnv;
let program: Promise<RunningProgram>;
let agent = new Agent({ keepAlive: true });
let adminToken: string;
let owners: ReadonlyMap<string, string>;
const wallets = () => [...owners.keys()];

beforeAll(async () => {
  server = await startPostgres();
  const place = { PORT: "0", HOST: "127.0.0.1", GESTA_DATA: directory, DATABASE_URL: server.url() };
  env = { ...process.env, ...place, GESTA_JWT_SECRET: secret, LOG_LEVEL: "fatal" };
  program = startProgram("delivery", env);
  await program;
  adminToken = await signToken(secret, seedId("users", "admin"), 24 * 3600, systemClock);
  const opened = new Map<string, string>();
  for (let n = 0; n < walletCount; n++) {
    const person = { name: `Person ${n}`, email: `person-${n}@example.com`, password: "a long password" };
    const user = JSON.parse((await ask("POST", "/users", null, person)).text);
    const wallet = walletOf(user.id);
    const { status, text } = await ask("POST", `/wallets/${wallet}/top-up`, adminToken, { amount: opening });
    expect(status, text).toBe(200);
    opened.set(wallet, await signToken(secret, user.id, 24 * 3600, systemClock));
  }
  owners = opened;
}, 240_000);
afterAll(async () => {
  agent.destroy();
  (await program.catch(() => null))?.child.kill("SIGKILL");
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function ask(method: string, path: string, token: string | null, body?: object, key?: string): Promise<Received> {
  const { url } = await program;
  const headers = key === undefined ? {} : { "idempotency-key": key };
  return exchange(agent, { method, url: `${url}${path}`, token, body, headers });
}

const now = (): number => performance.now();
const hundredths = (amount: unknown): number => Math.round(Number(amount) * 100);

const counts = new Map<string, number>();
const count = (what: string): unknown => counts.set(what, (counts.get(what) ?? 0) + 1);
const counted = (what: string): number => counts.get(what) ?? 0;

const used = new Set<string>();
/** A transfer that no other call asks for, so that a stored one tells whose it is. */
function nextWish(random: Random): { readonly from: string; readonly to: string; readonly amount: number } {
  for (;;) {
    const [from, to] = [random.oneOf(wallets()) ?? "", random.oneOf(wallets()) ?? ""];
    // Some are more than most wallets hold.
    const amount = 1 + random.below(random.chance(0.1) ? 300_000 : 30_000);
    const name = `${from} ${to} ${amount}`;
    if (from === to || used.has(name)) continue;
    used.add(name);
    return { from, to, amount };
  }
}

/** Asks with one key until there is an answer; now and then a client that gets none gives up, and never knows. */
async function transfer(random: Random): Promise<TransferCall> {
  const wish = nextWish(random);
  const body = { from_wallet_id: wish.from, to_wallet_id: wish.to, amount: wish.amount / 100 };
  const [key, invoked] = [randomUUID(), now()];
  const call = (outcome: TransferCall["outcome"], id: string | null) => ({
    ...wish,
    invoked,
    ended: now(),
    outcome,
    id,
  });
  for (;;) {
    const reply = await ask("POST", "/transfers", owners.get(wish.from) ?? null, body, key).catch(() => null);
    const code = reply === null || reply.status === 201 ? "" : JSON.parse(reply.text).code;
    if (reply?.replayed) count("replayed");
    if (reply?.status === 201) {
      count("done");
      return call("ok", JSON.parse(reply.text).id);
    }
    count(reply === null ? "broken off" : `${reply.status} ${code}`);
    if (code === "insufficient_funds" || code === "conflict") return call("refused", null);
    const isOpen = reply === null || reply.status === 503 || code === "idempotency_in_flight";
    if (!isOpen) throw new Error(`${reply?.status} ${reply?.text}`);
    // Whoever is told to come again knows that nothing was done; a connection that breaks off tells nothing.
    if ((reply === null || code === "outcome_unknown") && random.chance(0.1)) {
      count("unknown");
      return call("unknown", null);
    }
    await pause(20);
  }
}

/** All wallets that take part, in one reply; null where there is none. */
async function readAll(): Promise<BankRead | null> {
  const invoked = now();
  const reply = await ask("GET", "/wallets?limit=1000", adminToken).catch(() => null);
  if (reply === null || reply.status === 503) return null;
  expect(reply.status, reply.text).toBe(200);
  // The contract of the list.
  const listed = JSON.parse(reply.text).wallets as readonly { id: string; balance: number; version: number }[];
  const taking = listed.filter(({ id }) => owners.has(id));
  return {
    invoked,
    ended: now(),
    wallets: taking.map(({ id, balance, version }) => ({ id, balance: hundredths(balance), version })),
  };
}

/** Kills the application, and in a long run the database too, as soon as transfers go on again. */
async function killAgainAndAgain(random: Random, until: () => boolean): Promise<void> {
  for (let kills = 1; !until(); kills++) {
    const goal = counted("done") + 5 + random.below(60);
    while (counted("done") < goal && !until()) await pause(5);
    await pause(random.below(30));
    if (kills % databaseEvery === 0) {
      count("database killed");
      await server.kill(random.chance(0.5) ? "SIGKILL" : "SIGQUIT");
      if (random.chance(0.5)) await pause(random.below(1000));
      await server.restart();
      continue;
    }
    count("application killed");
    const { child } = await program;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    agent.destroy();
    agent = new Agent({ keepAlive: true });
    program = ended.then(() => startProgram("delivery", env));
    await program;
  }
}

/** What the database holds, asked past the application. */
async function stored(): Promise<Pick<BankHistory, "transfers" | "wallets">> {
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  const transfers = await client.query(
    "select id, from_wallet_id, to_wallet_id, amount from app.transfers where from_wallet_id = any ($1)",
    [wallets()],
  );
  const events = await client.query(
    `select e.stream_id, e.version, e.data->'balance' as balance, t.stream_id as transfer
       from gesta.events e
       left join gesta.events t on t.id = e.causation_id and t.entity = 'transfers'
       where e.stream_id = any ($1)
       order by e.version`,
    [wallets()],
  );
  const held = await client.query("select id, balance, version from app.wallets where id = any ($1)", [wallets()]);
  await client.end();
  return {
    transfers: transfers.rows.map(({ id, from_wallet_id, to_wallet_id, amount }) => ({
      id,
      from: from_wallet_id,
      to: to_wallet_id,
      amount: hundredths(amount),
    })),
    wallets: held.rows.map(({ id, balance, version }) => ({
      id,
      opening: { balance: opening * 100, version: 2 },
      balance: hundredths(balance),
      version,
      events: events.rows
        .filter(({ stream_id }) => stream_id === id)
        .map((event) => ({ version: event.version, balance: hundredths(event.balance), transfer: event.transfer })),
    })),
  };
}

test(
  `no money is made or lost in ${seconds} s, whatever is killed (GESTA_TEST_SEED=${seed})`,
  async () => {
    const random = seededRandom(seed);
    const began = now();
    const isOver = () => now() - began > seconds * 1000 && counted("application killed") >= 2;
    const calls: TransferCall[] = [];
    const reads: BankRead[] = [];
    const clients = Array.from({ length: clientCount }, async (_, index) => {
      const own = seededRandom(seed + index + 1);
      while (!isOver()) calls.push(await transfer(own));
    });
    const readers = Array.from({ length: readerCount }, async () => {
      while (!isOver()) {
        const read = await readAll();
        if (read !== null) reads.push(read);
        await pause(read === null ? 50 : 10);
      }
    });
    await Promise.all([...clients, ...readers, killAgainAndAgain(random, isOver)]);
    const last = await readAll();
    if (last !== null) reads.push(last);

    const took = ((now() - began) / 1000).toFixed(1);
    const told = [...counts].sort().map(([what, times]) => `${what}: ${times}`);
    process.stdout.write(
      `bank: ${walletCount} wallets, ${clientCount} clients, ${took} s, seed ${seed}: ${calls.length} transfers asked for, ` +
        `${reads.length} reads, ${told.join(", ")}\n`,
    );
    const held = await stored();
    const faults = bankFaults({ calls, reads, ...held });
    const happened = held.transfers.length - counted("done");
    process.stdout.write(`bank: ${happened} of ${counted("unknown")} unknown happened; ${faults.length} faults\n`);
    expect(faults).toEqual([]);
    expect(last).not.toBeNull();
    expect(calls.filter(({ outcome }) => outcome === "ok").length).toBeGreaterThan(20);
  },
  (seconds + 300) * 1000,
);

test("gesta verify finds nothing, no version is missing, and the program ends in order", async () => {
  const { child } = await program;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  const words = ["bin/gesta.js", "verify", ...startWords("delivery").slice(2)];
  const verified = spawnSync(process.execPath, words, { env, encoding: "utf8" });
  process.stdout.write(verified.stdout);
  expect([verified.status, verified.stdout]).toEqual([0, expect.stringContaining(", 0 findings")]);
});
