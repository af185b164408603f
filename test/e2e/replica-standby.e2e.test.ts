import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { seedId } from "../../src/declare/application.ts";
import { emitOpenApi } from "../../src/emit/openapi/openapi-emitter.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { withExport } from "../../src/operations.ts";
import { audienceName, audiencesOf } from "../../src/plan/audience.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { signToken } from "../../src/services/tokens.ts";
import { type PostgresServer, startPostgres, startStandby } from "../../src/testing/postgres-server.ts";
import { operationsOf } from "../support/described-operations.ts";
import {
  type ReplicatedApplication,
  runReplicated,
  secret,
  signalAll,
  until,
} from "../support/replicated-application.ts";

/**
 * A standby writes nothing, not even by accident. Every read of delivery, for every audience, is asked while the primary
 * stands still: whatever a standby cannot do would be asked of the primary, and get no answer.
 */
const { plan } = makePlan(delivery);
const fast = { fsync: "off", full_page_writes: "off" } as const;
const speakers: Readonly<Record<string, string>> = { customer: "customer1", staff: "staff1" };
/** Whose they are is the primary's to know: sessions, keys, and the role that a document is for. */
const ofThePrimary = ["/sessions", "/api_keys"];

let primary: PostgresServer;
let standby: PostgresServer;
let app: ReplicatedApplication;

beforeAll(async () => {
  primary = await startPostgres(fast);
  await (await runReplicated(delivery, primary.url(), [])).stop();
  standby = await startStandby(primary, fast);
  app = await runReplicated(delivery, primary.url(), [standby.url()], { GESTA_REPLICA_MAX_LAG: "10m" });
  await until("the replica is read from", () => app.seen.some(({ kind }) => kind === "replica_joined"));
});
afterAll(async () => {
  await app?.stop();
  await standby?.stop();
  await primary?.stop();
});

async function get(path: string, speaker: string | null): Promise<{ readonly status: number; readonly body: unknown }> {
  const authorization =
    speaker === null
      ? {}
      : { authorization: `Bearer ${await signToken(secret, seedId("users", speaker), 600, systemClock)}` };
  const reply = await fetch(`${app.running.url}${path}`, { headers: authorization });
  const text = await reply.text();
  return { status: reply.status, body: text === "" ? null : JSON.parse(text) };
}

/** Questions that take other ways through the database than the plain one. */
const listed = ["", "?limit=1&skip=1", "?sort=-id&limit=1", "?count=exact", "?count=estimated&sort=-id"];
const past = ["?as_of=2020-01-01T00:00:00Z", "?as_of=2020-01-01T00:00:00Z&count=exact"];

test("every read is answered by a standby", async () => {
  const ids = new Map<string, string>();
  for (const { name } of plan.entities) {
    const { body } = await get(`/${name}?limit=1`, "admin");
    const [first] = (body as Readonly<Record<string, readonly { readonly id: string }[]>>)[name] ?? []; // a list's envelope
    if (first !== undefined) ids.set(name, first.id);
  }
  const asked: string[] = [];
  const wrong: string[] = [];
  signalAll(primary, "SIGSTOP");
  try {
    for (const role of audiencesOf(plan)) {
      const speaker = role === null ? null : (speakers[role] ?? role);
      for (const { method, path, entity, query } of operationsOf(emitOpenApi(plan, role))) {
        if (method !== "GET" || ofThePrimary.includes(path)) continue;
        const at = path.replace("{id}", ids.get(entity) ?? "");
        const ways =
          query !== "" || path.includes("/aggregate") || path.endsWith("/actions") || path.endsWith("/me")
            ? [query]
            : path.endsWith("/history")
              ? ["", "?order=desc&limit=1"]
              : path.endsWith("{id}")
                ? ["", "?as_of_version=1", "?fields=id", past[0] ?? ""]
                : [...listed, ...past];
        for (const way of ways) {
          const { status } = await get(`${at}${way}`, speaker);
          asked.push(`${audienceName(role)} ${path}${way}`);
          if (![200, 403, 404].includes(status)) wrong.push(`${status} ${audienceName(role)} ${at}${way}`);
        }
      }
    }
  } finally {
    signalAll(primary, "SIGCONT");
  }
  process.stdout.write(`${asked.length} reads while the primary stood still\n`);
  expect(wrong).toEqual([]);
  expect(asked.length).toBeGreaterThan(200);
  expect(app.seen.filter((each) => each.kind === "replica_left" && each.reason.startsWith("a read failed"))).toEqual(
    [],
  );
}, 240_000);

test("an export has what was written before it, and is read from the standby", async () => {
  const made = await post("/drinks", { name: "the newest", price: 1 });
  const { id } = JSON.parse(await made.text());
  const request = { entity: "drinks", fields: null, parameters: new Map<string, string>() };
  const ids = await withExport(delivery, app.around, null, request, async ({ pages }) => {
    signalAll(primary, "SIGSTOP");
    try {
      const found: unknown[] = [];
      for await (const page of pages) found.push(...page.map((drink) => drink.id));
      return found;
    } finally {
      signalAll(primary, "SIGCONT");
    }
  });
  expect(ids).toContain(id);
});

/** What happens while the replica gets nothing of it. */
async function unknownToTheReplica(work: () => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: standby.url() });
  await client.connect();
  await client.query("select pg_wal_replay_pause()");
  try {
    await work();
  } finally {
    await client.query("select pg_wal_replay_resume()");
    await client.end();
  }
}

const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${app.running.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

test("who has just come is known, and a session that has ended is not, whatever the replica knows", () =>
  unknownToTheReplica(async () => {
    const account = { email: "new@example.com", password: "a long enough password" };
    const registered = await post("/users", { name: "New", ...account });
    const { id } = JSON.parse(await registered.text());
    const signedIn = await post("/sessions", account);
    const { token } = JSON.parse(await signedIn.text());
    const headers = { authorization: `Bearer ${token}` };
    const me = async () => {
      const reply = await fetch(`${app.running.url}/users/me`, { headers });
      return { status: reply.status, id: JSON.parse(await reply.text()).id };
    };
    // Without the token of either write: the replica has never heard of them.
    expect(await me()).toEqual({ status: 200, id });
    const signedOut = await fetch(`${app.running.url}/sessions/current`, { method: "DELETE", headers });
    expect([signedOut.status, signedOut.headers.has("consistency-token")]).toEqual([204, true]);
    expect((await me()).status).toBe(401);
  }));

test("a token for sessions comes beside their cookie", async () => {
  const account = { email: "other@example.com", password: "a long enough password" };
  await (await post("/users", { name: "Other", ...account })).text();
  const signedIn = await post("/sessions", account);
  await signedIn.text();
  expect(signedIn.headers.getSetCookie().map((cookie) => cookie.split("=")[0])).toEqual([
    "gesta_session",
    "gesta_consistency",
  ]);
});

test("a right that was taken away is gone on the replica as soon as it has replayed that", async () => {
  const account = { email: "leaving@example.com", password: "a long enough password" };
  const registered = await post("/users", { name: "Leaving", ...account });
  const { id } = JSON.parse(await registered.text());
  const authorization = `Bearer ${await signToken(secret, id, 600, systemClock)}`;
  const me = async () => (await fetch(`${app.running.url}/users/me`, { headers: { authorization } })).status;
  await until("the replica knows the user", async () => (await me()) === 200);
  const deactivated = await post(`/users/${id}/deactivate`, {}, { authorization });
  expect(deactivated.status).toBe(200);
  await until("the replica knows that, too", async () => (await me()) === 401);
});
