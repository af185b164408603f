import { connect, createServer, type Socket } from "node:net";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import drinks from "../../examples/drinks/application.ts";
import { type PostgresServer, startPostgres, startStandby } from "../../src/testing/postgres-server.ts";
import { type ReplicatedApplication, runReplicated, until } from "../support/replicated-application.ts";

/**
 * The primary dies and a standby takes its place that lacks the last writes; another standby has them, and is further in
 * a log that nobody continues. Its position alone would say that it has whatever is written from now on.
 */
const fast = { fsync: "off", full_page_writes: "off", wal_retrieve_retry_interval: "100ms" } as const;
const servers: PostgresServer[] = [];
let app: ReplicatedApplication;
let primaryAddress: Awaited<ReturnType<typeof address>>;

afterAll(async () => {
  await app?.stop();
  await primaryAddress?.close();
  for (const server of servers.reverse()) await server.stop();
});

/** An address that leads to a server, and later to another one. */
async function address(port: number) {
  let target = port;
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return {
    url: `postgres://postgres@127.0.0.1:${bound.port}/postgres`,
    leadTo(other: number) {
      target = other;
      for (const socket of open) socket.destroy();
    },
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      return closed;
    },
  };
}

beforeAll(async () => {
  const primary = await startPostgres(fast);
  servers.push(primary);
  primaryAddress = await address(primary.port);
  await (await runReplicated(drinks, primaryAddress.url, [])).stop();
  for (let number = 0; number < 2; number++) servers.push(await startStandby(primary, fast));
  const follows = `host=127.0.0.1 port=${new URL(primaryAddress.url).port} user=postgres`;
  servers.push(await startStandby(primary, { ...fast, primary_conninfo: follows }));
});

const server = (index: number): PostgresServer => {
  const found = servers[index];
  if (found === undefined) throw new Error(`no server ${index}`);
  return found;
};

async function on(where: PostgresServer, text: string, values: readonly unknown[] = []): Promise<number | null> {
  const client = new pg.Client({ connectionString: where.url() });
  await client.connect();
  try {
    return (await client.query(text, [...values])).rowCount;
  } finally {
    await client.end();
  }
}

async function write(headers: Readonly<Record<string, string>> = {}) {
  const body = new URLSearchParams({ name: "a drink", price: "1" });
  const reply = await fetch(`${app.running.url}/drinks`, { method: "POST", body, headers });
  const { id } = JSON.parse(await reply.text());
  return { status: reply.status, id, token: reply.headers.get("consistency-token") ?? "none" };
}

async function statusOf(id: unknown, token: string): Promise<number> {
  const reply = await fetch(`${app.running.url}/drinks/${id}`, { headers: { "consistency-token": token } });
  await reply.text();
  return reply.status;
}

test("a standby of a history that ended is not read from, however far it is", async () => {
  const [primary, heir, ahead, follower] = [server(0), server(1), server(2), server(3)];
  const replicas = [ahead.url(), follower.url()];
  app = await runReplicated(drinks, primaryAddress.url, replicas, { GESTA_REPLICA_MAX_LAG: "60s" });
  const joined = () => app.seen.flatMap((each) => (each.kind === "replica_joined" ? [each.place] : []));
  await until("the replicas are read from", () => joined().length >= 2);

  await heir.kill("SIGINT");
  await follower.kill("SIGINT");
  for (let count = 0; count < 200; count++) expect((await write()).status).toBe(201);
  const lost = await write();
  await until("the other standby has it", async () => {
    return (await on(ahead, "select from app.drinks where id = $1", [lost.id])) === 1;
  });
  await primary.kill("SIGKILL");
  await heir.restart();
  await on(heir, "select pg_promote()");
  primaryAddress.leadTo(heir.port);
  await until("writes go on", async () => (await write()).status === 201);

  for (let count = 0; count < 20; count++) {
    const { id, token } = await write();
    expect(token).toMatch(/^2:/);
    expect(await statusOf(id, token)).toBe(200);
  }
  await until("it has left", () =>
    app.seen.some((each) => each.kind === "replica_left" && each.reason.includes("timeline")),
  );
  // One that follows the heir is read from again as soon as its control file says so.
  const before = joined().length;
  await follower.restart();
  await until("it has gone over to the new history", async () => {
    await on(follower, "checkpoint");
    return joined().length > before;
  });
  expect(joined().at(-1)).toBe(`postgres://127.0.0.1:${follower.port}/postgres`);
  const { id, token } = await write();
  expect(await statusOf(id, token)).toBe(200);
  // A token of the lost history is nobody's; the primary says what there is now.
  expect([200, 404]).toContain(await statusOf(lost.id, lost.token));
});
