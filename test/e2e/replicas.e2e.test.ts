import { afterAll, beforeAll, describe, expect, test } from "vitest";
import drinks from "../../examples/drinks/application.ts";
import { type PostgresServer, startPostgres, startStandby } from "../../src/testing/postgres-server.ts";
import { type ReplicatedApplication, runReplicated, until } from "../support/replicated-application.ts";

/**
 * The replica is five seconds behind, so whatever is answered by it is old: each pair is a write and the same client's
 * reads after it. A release is tested with GESTA_TEST_PAIRS=10000.
 */
const pairs = Number(process.env.GESTA_TEST_PAIRS ?? 60);
const clients = 8;

let primary: PostgresServer;
let late: PostgresServer;
let app: ReplicatedApplication;

beforeAll(async () => {
  primary = await startPostgres({ fsync: "off", full_page_writes: "off" });
  // The tables come first, so that the replica has them from its copy.
  await (await runReplicated(drinks, primary.url(), [])).stop();
  late = await startStandby(primary, { fsync: "off", recovery_min_apply_delay: "5s" });
  app = await runReplicated(drinks, primary.url(), [late.url()], { GESTA_REPLICA_MAX_LAG: "20s" });
  await until("the replica is read from", () => app.seen.some(({ kind }) => kind === "replica_joined"));
});
afterAll(async () => {
  await app?.stop();
  await late?.stop();
  await primary?.stop();
});

type Headers = Readonly<Record<string, string>>;

async function call(method: string, path: string, headers: Headers = {}, fields: Headers | null = null) {
  const body = fields === null ? {} : { body: new URLSearchParams(fields) };
  const reply = await fetch(`${app.running.url}${path}`, { method, headers, ...body });
  const text = await reply.text();
  const cookies = reply.headers.getSetCookie();
  return {
    status: reply.status,
    headers: reply.headers,
    token: reply.headers.get("consistency-token"),
    cookies,
    cookie: cookies.map((cookie) => cookie.split(";")[0]).join("; "),
    body: text === "" ? {} : JSON.parse(text),
  };
}

let number = 0;
const create = (headers: Headers = {}) => call("POST", "/drinks", headers, { name: `drink ${number++}`, price: "1" });

test(`${pairs} pairs of a write and a read of the same client: none is stale, by header or by cookie`, async () => {
  const stale = { header: 0, cookie: 0, list: 0, updated: 0, without: 0 };
  let asked = 0;
  const client = async () => {
    while (asked < pairs) {
      asked++;
      const made = await create();
      const path = `/drinks/${made.body.id}`;
      const token = { "consistency-token": made.token ?? "" };
      if ((await call("GET", path)).status !== 200) stale.without++;
      if ((await call("GET", path, token)).status !== 200) stale.header++;
      if ((await call("GET", path, { cookie: made.cookie })).status !== 200) stale.cookie++;
      const { drinks: listed } = (await call("GET", `/drinks?id=${made.body.id}`, token)).body;
      if (listed.length !== 1) stale.list++;
      const changed = await call("PATCH", path, {}, { price: "2" });
      if ((await call("GET", path, { cookie: changed.cookie })).body.price !== 2) stale.updated++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  process.stdout.write(`${pairs} write-then-read pairs, five seconds behind: stale ${JSON.stringify(stale)}\n`);
  // Whoever says nothing is answered by the replica, which has none of them yet: so the rest means something.
  expect(stale).toEqual({ header: 0, cookie: 0, list: 0, updated: 0, without: pairs });
}, 1_800_000);

test("the cookie is for this server's pages alone and as short as it is of use", async () => {
  const { cookies, token } = await create();
  expect(token).toMatch(/^1:[0-9A-F]+\/[0-9A-F]+$/);
  expect(cookies).toEqual([`gesta_consistency=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=21`]);
});

test("a replica that has caught up answers whoever wrote, too", async () => {
  const { body, token } = await create();
  const path = `/drinks/${body.id}`;
  // Seen without a token it is on the replica; then the token is no reason to go elsewhere.
  await until("the replica has it", async () => (await call("GET", path)).status === 200);
  const changed = await call("PATCH", path, {}, { price: "7" });
  const priceFor = async (told: string | null) =>
    (await call("GET", path, { "consistency-token": told ?? "none" })).body.price;
  await until("its position is known", async () => (await priceFor(token)) === 1);
  expect(await priceFor(changed.token)).toBe(7);
});

describe("whatever a write is answered, the next read has what it was decided by", () => {
  const readBy = async (path: string, reply: { readonly token: string | null }) =>
    (await call("GET", path, { "consistency-token": reply.token ?? "none" })).body;

  test("a repetition that gets the kept reply covers the first one", async () => {
    const key = { "idempotency-key": `a-key-of-this-test-${number}` };
    const first = await call("POST", "/drinks", key, { name: "once", price: "3" });
    const again = await call("POST", "/drinks", key, { name: "once", price: "3" });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(again.body).toEqual(first.body);
    expect((await readBy(`/drinks/${first.body.id}`, again)).name).toBe("once");
  });

  test("a stale If-Match is told the version that is there", async () => {
    const { body, headers } = await create();
    const path = `/drinks/${body.id}`;
    await call("PATCH", path, {}, { price: "2" });
    const refused = await call("PATCH", path, { "if-match": headers.get("etag") ?? "" }, { price: "3" });
    expect(refused.status).toBe(412);
    expect((await readBy(path, refused)).version).toBe(2);
  });

  test("a bulk call, a deletion and a dry run", async () => {
    const reply = await fetch(`${app.running.url}/drinks/bulk`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ items: [{ name: "one of many", price: 1 }] }),
    });
    const [{ id }] = JSON.parse(await reply.text()).results;
    expect((await readBy(`/drinks/${id}`, { token: reply.headers.get("consistency-token") })).id).toBe(id);
    const dry = await call("DELETE", `/drinks/${id}?dry_run=true`);
    expect(await readBy(`/drinks/${id}`, dry)).toMatchObject({ id });
    const deleted = await call("DELETE", `/drinks/${id}`);
    expect(deleted.status).toBe(204);
    expect(await readBy(`/drinks/${id}`, deleted)).toMatchObject({ status: 410 });
  });

  test("what was refused before anything was looked at says nothing", async () => {
    const unreadable = await fetch(`${app.running.url}/drinks`, { method: "POST", body: "{" });
    const unknown = await call("PUT", "/drinks");
    expect([unreadable.status, unknown.status]).toEqual([415, 405]);
    expect([unreadable.headers.get("consistency-token"), unknown.token]).toEqual([null, null]);
    expect((await call("GET", "/drinks")).token).toBeNull();
  });
});

describe("a token that the server never gave", () => {
  test.each(["x", "", "0/16B3748", "1:0/zz", "1:0/1,1:0/2", "99999999999:0/1"])(
    "%j in the header is refused, with what to do",
    async (text) => {
      const { status, body } = await call("GET", "/drinks", { "consistency-token": text });
      expect([status, body.code]).toEqual([400, "malformed"]);
      expect(body.detail).toContain("Consistency-Token");
    },
  );

  test("is refused for every kind of read, and does not stop a write", async () => {
    const bad = { "consistency-token": "x" };
    const { body } = await create(bad);
    for (const path of ["", "/actions", "/impact?action=delete"]) {
      expect((await call("GET", `/drinks/${body.id}${path}`, bad)).status, path).toBe(400);
    }
    expect(body.id).toBeDefined();
  });

  test.each(["gesta_consistency=x", "gesta_consistency=1:0/1; gesta_consistency=1:0/1"])(
    "%j as a cookie goes to the primary",
    async (cookie) => {
      const { body } = await create();
      expect((await call("GET", `/drinks/${body.id}`)).status).toBe(404);
      expect((await call("GET", `/drinks/${body.id}`, { cookie })).status).toBe(200);
    },
  );

  test.each(["1:FFFFFFFF/FFFFFFFF", "4294967295:FFFFFFFF/FFFFFFFF", "2:0/1"])(
    "%s, further than the log or of another history, goes to the primary",
    async (token) => {
      const { body } = await create();
      expect((await call("GET", `/drinks/${body.id}`, { "consistency-token": token })).status).toBe(200);
    },
  );

  test("an old one counts less than a new cookie", async () => {
    const old = await create();
    const { body, cookie } = await create();
    const both = { cookie, "consistency-token": old.token ?? "" };
    expect((await call("GET", `/drinks/${body.id}`, both)).status).toBe(200);
  });
});

test("a moment that the replica may not have reached is the primary's to tell", async () => {
  const { body } = await create();
  const { updated_at } = body;
  const past = await call("GET", `/drinks/${body.id}?as_of=${encodeURIComponent(updated_at)}`);
  expect([past.status, past.body.version]).toEqual([200, 1]);
});

test("without replicas there is neither header nor cookie, and no token is looked at", async () => {
  const alone = await runReplicated(drinks, primary.url(), []);
  const made = await fetch(`${alone.running.url}/drinks`, {
    method: "POST",
    body: new URLSearchParams({ name: "alone", price: "1" }),
  });
  await made.text();
  expect([made.status, made.headers.get("consistency-token"), made.headers.getSetCookie()]).toEqual([201, null, []]);
  const read = await fetch(`${alone.running.url}/drinks`, { headers: { "consistency-token": "x" } });
  await read.text();
  expect(read.status).toBe(200);
  await alone.stop();
});
