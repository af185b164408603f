import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import drinks from "../../examples/drinks/application.ts";
import type { Observation } from "../../src/kernel/observation.ts";
import { type PostgresServer, startPostgres, startStandby } from "../../src/testing/postgres-server.ts";
import { type ReplicatedApplication, runReplicated, signalAll, until } from "../support/replicated-application.ts";

let primary: PostgresServer;
let [one, two]: (PostgresServer | undefined)[] = [];
let app: ReplicatedApplication;
const fast = { fsync: "off", full_page_writes: "off", track_functions: "all" } as const;

beforeAll(async () => {
  primary = await startPostgres(fast);
  await (await runReplicated(drinks, primary.url(), [])).stop();
  // Making the next one restarts the primary: the others come back to it at once.
  const soon = { ...fast, wal_retrieve_retry_interval: "100ms" };
  one = await startStandby(primary, { ...soon, max_standby_streaming_delay: 0 });
  two = await startStandby(primary, soon);
});
afterAll(async () => {
  await two?.stop();
  await one?.stop();
  await primary?.stop();
});
afterEach(async () => {
  late = 0;
  await stopReaders?.();
  await app?.stop();
});

const standby = (which: 1 | 2): PostgresServer => {
  const server = which === 1 ? one : two;
  if (server === undefined) throw new Error("there is no such standby");
  return server;
};

async function start(which: readonly (1 | 2)[], environment: Readonly<Record<string, string>> = {}) {
  const urls = which.map((each) => standby(each).url());
  app = await runReplicated(drinks, primary.url(), urls, { GESTA_TRUSTED_PROXIES: "1", ...environment });
  await until("the replicas are read from", () => joined().length >= which.length);
  late = 0;
  late = left().length;
}

type Seen<Kind> = Extract<Observation, { readonly kind: Kind }>;
const joined = () => app.seen.filter((each): each is Seen<"replica_joined"> => each.kind === "replica_joined");
const left = () => app.seen.filter((each): each is Seen<"replica_left"> => each.kind === "replica_left").slice(late);
/** How many were not ready when the application started. */
let late = 0;

async function on<T>(server: PostgresServer, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: server.url() });
  client.on("error", () => {});
  await client.connect();
  try {
    const { rows } = await client.query(text);
    return rows;
  } finally {
    await client.end();
  }
}

const placeOf = (which: 1 | 2): string => `postgres://127.0.0.1:${standby(which).port}/postgres`;

/** How often a server answered the list, as far as it has counted. */
async function answered(server: PostgresServer): Promise<number> {
  const [row] = await on<{ calls: string }>(
    server,
    "select coalesce(sum(calls), 0) as calls from pg_stat_user_functions where funcname = 'find_drinks'",
  );
  return Number(row?.calls);
}

/** Reads as one of many callers. */
async function read(caller: number, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const reply = await fetch(`${app.running.url}/drinks?limit=1`, {
    headers: { "x-forwarded-for": `192.0.2.${caller}`, ...headers },
  });
  await reply.text();
  return reply.status;
}

const write = async (): Promise<number> => {
  const reply = await fetch(`${app.running.url}/drinks`, {
    method: "POST",
    body: new URLSearchParams({ name: "a drink", price: "1" }),
  });
  await reply.text();
  return reply.status;
};

let stopReaders: (() => Promise<unknown>) | undefined;

/** Callers that read all the time. @returns what ends them and tells how many answers they had, and which were none */
function readers() {
  let busy = true;
  let good = 0;
  const failed: number[] = [];
  const all = Array.from({ length: 8 }, async (_, caller) => {
    while (busy) {
      const status = await read(caller);
      if (status === 200) good++;
      else failed.push(status);
    }
  });
  const end = async (): Promise<readonly number[]> => {
    busy = false;
    await Promise.all(all);
    return failed;
  };
  stopReaders = end;
  return { good: () => good, end };
}

test("reads are answered by the replica, also while the primary stands still", async () => {
  await start([1], { GESTA_REPLICA_MAX_LAG: "60s" });
  const before = await answered(standby(1));
  expect(await write()).toBe(201);
  signalAll(primary, "SIGSTOP");
  try {
    for (let caller = 0; caller < 20; caller++) expect(await read(caller)).toBe(200);
  } finally {
    signalAll(primary, "SIGCONT");
  }
  // A server counts what a session did a second ago when that session does something else.
  await until("the replica has counted them", async () => {
    await read(1);
    return (await answered(standby(1))) >= before + 20;
  });
});

const counts = () => Promise.all([answered(standby(1)), answered(standby(2))]);

test("two replicas share the callers, and a caller keeps one", async () => {
  // What sessions of before have done is counted when they have ended.
  for (const which of [1, 2] as const) {
    const sessions = "select 1 from pg_stat_activity where application_name = 'gesta'";
    await until("nobody is there", async () => (await on(standby(which), sessions)).length === 0);
  }
  await start([1, 2], { GESTA_REPLICA_MAX_LAG: "60s" });
  const before = await counts();
  const gained = async () => (await counts()).map((calls, index) => calls - (before[index] ?? 0));
  let reads = 0;
  await until("one caller has been answered", async () => {
    expect(await read(77)).toBe(200);
    reads++;
    return (await gained()).some((calls) => calls >= 30);
  });
  expect(Math.min(...(await gained())), `after ${reads} reads`).toBe(0);
  await until("both have been asked", async () => {
    for (let caller = 0; caller < 16; caller++) expect(await read(caller)).toBe(200);
    return Math.min(...(await gained())) > 0;
  });
});

test.each([
  ["dies", (server: PostgresServer) => server.kill("SIGKILL"), (server: PostgresServer) => server.restart()],
  [
    "stands still",
    async (server: PostgresServer) => signalAll(server, "SIGSTOP"),
    async (server: PostgresServer) => signalAll(server, "SIGCONT"),
  ],
])("a replica that %s leaves without a failed request, and returns", async (_, strike, mend) => {
  await start([1, 2], { GESTA_REPLICA_MAX_LAG: "60s" });
  const readings = readers();
  await until("they read", () => readings.good() > 50);
  await strike(standby(1));
  const struck = readings.good();
  await until("it has left", () => left().some(({ place }) => place === placeOf(1)));
  await until("they read on", () => readings.good() > struck + 200);
  await mend(standby(1));
  await until("it has returned", () => joined().length >= 3);
  const returned = await answered(standby(1));
  await until("it is read from again", async () => (await answered(standby(1))) > returned);
  expect(await readings.end()).toEqual([]);
});

test("the only replica dies, and the primary answers", async () => {
  await start([2], { GESTA_REPLICA_MAX_LAG: "60s" });
  const readings = readers();
  await until("they read", () => readings.good() > 50);
  await standby(2).kill("SIGQUIT");
  const struck = readings.good();
  await until("they read on", () => readings.good() > struck + 200);
  expect(await readings.end()).toEqual([]);
  expect(left().map(({ place }) => place)).toContain(placeOf(2));
  await standby(2).restart();
  await until("it has returned", () => joined().length >= 2);
});

test("a replica that falls behind leaves, and returns when it has caught up", async () => {
  await start([2], { GESTA_REPLICA_MAX_LAG: "1s" });
  await on(standby(2), "select pg_wal_replay_pause()");
  const readings = readers();
  await until("it has left", async () => {
    expect(await write()).toBe(201);
    return left().length > 0;
  });
  await until("the log says why", () => left().some(({ reason }) => /^it is .* behind the primary$/.test(reason)));
  // Whoever reads now is answered by the primary: what was written just now is there.
  const reply = await fetch(`${app.running.url}/drinks?sort=-id&limit=1`);
  const { drinks: newest } = JSON.parse(await reply.text());
  const [row] = await on<{ most: string }>(primary, "select max(id) as most from app.drinks");
  expect(newest[0].id).toBe(Number(row?.most));
  await on(standby(2), "select pg_wal_replay_resume()");
  await until("it has returned", () => joined().length >= 2);
  expect(await readings.end()).toEqual([]);
});

test("sessions that are cut off and reads that replay takes away are answered by the primary", async () => {
  await start([1], { GESTA_REPLICA_MAX_LAG: "60s" });
  const readings = readers();
  const cutOff = () =>
    on(standby(1), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'gesta'");
  const takeAway = () =>
    on(
      primary,
      "do $$ begin for i in 1..50 loop lock table app.drinks in access exclusive mode; commit; end loop; end $$",
    );
  await until("a connection was lost", async () => {
    await cutOff();
    return left().length > 0;
  });
  await until("replay took the rows of a read away", async () => {
    await takeAway();
    return left().some(({ reason }) => reason.includes("conflict with recovery"));
  });
  await until("it is back", () => joined().length > left().length);
  expect(await readings.end()).toEqual([]);
});

test("a replica that cannot be reached at the start joins when it can be", async () => {
  await standby(2).kill("SIGINT");
  const urls = [standby(2).url()];
  app = await runReplicated(drinks, primary.url(), urls);
  expect(left()).toHaveLength(1);
  expect(left()[0]?.reason).toMatch(/^it does not answer/);
  expect(await read(1)).toBe(200);
  await standby(2).restart();
  await until("it has joined", () => joined().length >= 1);
});

test("a server that is no standby of this database refuses the start", async () => {
  const stranger = await startPostgres(fast);
  try {
    const starting = runReplicated(drinks, primary.url(), [standby(2).url(), stranger.url(), primary.url()]);
    await expect(starting).rejects.toThrow(
      new RegExp(`${stranger.port}.*copy of another database[^]*${primary.port}.*takes writes of its own`),
    );
  } finally {
    await stranger.stop();
  }
});

// The last one: after it there is no standby any more.
test("a replica that is promoted leaves for good", async () => {
  await start([1, 2], { GESTA_REPLICA_MAX_LAG: "60s" });
  const readings = readers();
  await until("they read", () => readings.good() > 50);
  await on(standby(2), "select pg_promote()");
  const why = "it is no standby: it takes writes of its own";
  await until("it has left", () => left().some(({ place, reason }) => place === placeOf(2) && reason === why));
  const promoted = readings.good();
  await until("they read on", () => readings.good() > promoted + 200);
  expect(await write()).toBe(201);
  expect(await readings.end()).toEqual([]);
  expect(joined().filter(({ place }) => place === placeOf(2))).toHaveLength(1);
});
