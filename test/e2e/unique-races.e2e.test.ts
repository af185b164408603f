import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Reply, runDelivery, type TestApplication } from "../support/running-application.ts";

// Each registration hashes a password, so few by default; a release is tested with GESTA_TEST_RACES=50.
const pairsInRace = Number(process.env.GESTA_TEST_RACES ?? 15);
// That a killed try's own repetition is never told "taken" is in killed-commands.e2e.test.ts.
let app: TestApplication;
let sql: pg.Client;
beforeAll(async () => {
  app = await runDelivery("postgres");
  sql = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await sql.connect();
});
afterAll(async () => {
  await sql?.end();
  await app?.stop();
});

const register = (email: string, key: string): Promise<Reply> =>
  app.call("POST", "/users", null, { name: "Kim", email, password: "a long password" }, { "idempotency-key": key });
const holders = async (email: string): Promise<number> => {
  const { rowCount } = await sql.query("select from app.users where lower(email) = lower($1)", [email]);
  return rowCount ?? 0;
};
/** What a reply says, in a word that can be counted. */
const word = ({ status, body }: Reply): string => {
  const told = JSON.stringify(body.errors ?? []).includes('"pointer":"/email","code":"unique"');
  return status < 300 ? String(status) : `${status} ${body.code}${told ? " /email" : ""}`;
};
const taken = "409 unique /email";
const inFlight = "409 idempotency_in_flight";

test("100 registrations of one address at once, however it is written: one 201, all others 409 at /email", async () => {
  const ways = ["kim@example.com", "KIM@example.com", "Kim@Example.COM"];
  const keys = Array.from({ length: 100 }, () => randomUUID());
  const replies = await Promise.all(keys.map((key, index) => register(ways[index % 3] ?? "", key)));
  const words = replies.map(word);
  expect(words.filter((each) => each === "201").length).toBe(1);
  expect(words.filter((each) => each !== "201")).toEqual(Array.from({ length: 99 }, () => taken));
  expect(await holders("kim@example.com")).toBe(1);
  // Whoever got it hears so again; for all others it is as taken as before.
  for (const [index, key] of keys.entries()) {
    if (index % 10 !== 0 && words[index] !== "201") continue;
    const again = await register(ways[index % 3] ?? "", key);
    expect(word(again)).toBe(words[index]);
    if (again.status === 201) expect(again.text).toBe(replies[index]?.text);
  }
});

test("the same registration sent twice at once, in a race with others: nobody is told of their own first try", async () => {
  for (const email of ["lee@example.com", "LEO@example.com"]) {
    const keys = Array.from({ length: pairsInRace }, () => randomUUID());
    const pairs = await Promise.all(keys.map((key) => Promise.all([register(email, key), register(email, key)])));
    const won = pairs.map((pair) => pair.some(({ status }) => status === 201));
    expect(won.filter((each) => each).length).toBe(1);
    for (const [index, pair] of pairs.entries()) {
      for (const reply of pair) expect(won[index] ? ["201", inFlight] : [taken, inFlight]).toContain(word(reply));
    }
    const winner = won.indexOf(true);
    const first = pairs[winner]?.find(({ status }) => status === 201);
    expect((await register(email, keys[winner] ?? "")).text).toBe(first?.text);
    expect(await holders(email)).toBe(1);
  }
});

test("a repetition that comes while the first try waits in the database is told to wait, not that it is taken", async () => {
  const [email, key] = ["slow@example.com", randomUUID()];
  await sql.query("begin; lock table gesta.events in share mode");
  const first = register(email, key);
  const waiting = "select from pg_locks where locktype = 'relation' and not granted";
  while ((await sql.query(waiting)).rowCount === 0);
  expect(word(await register(email, key))).toBe(inFlight);
  // Another's registration waits for the first to end, and then knows.
  const other = register(email, randomUUID());
  await sql.query("commit");
  expect(word(await first)).toBe("201");
  expect(word(await other)).toBe(taken);
  expect((await register(email, key)).text).toBe((await first).text);
});

test("two users who change to one address: one has it, and may repeat it", async () => {
  const movers = ["customer1", "customer2", "customer3", "staff1", "staff2", "manager"];
  const tries = movers.map((who) => ({ who, key: randomUUID() }));
  const change = async (who: string, key: string) =>
    app.call("PATCH", "/users/me/email", who, { email: "new@example.com" }, { "idempotency-key": key });
  const replies = await Promise.all(tries.map(({ who, key }) => change(who, key)));
  expect(replies.map(word).sort()).toEqual(["200", ...Array.from({ length: 5 }, () => taken)]);
  for (const [index, { who, key }] of tries.entries()) {
    expect(word(await change(who, key))).toBe(word(replies[index] ?? (await change(who, key))));
  }
});
