import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { seededRandom } from "../../src/testing/agreement/random.ts";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

// A release is tested with GESTA_TEST_BATCHES=3000: 96,000 commands.
const batches = Number(process.env.GESTA_TEST_BATCHES ?? 40);
const size = 32;
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

let app: TestApplication;
let client: pg.Client;
let superuser: pg.Client;
beforeAll(async () => {
  app = await runDelivery("postgres");
  expect((await app.call("POST", "/users/me/deactivate", "logistician", {})).status).toBe(200);
  client = new pg.Client({ connectionString: app.databaseUrl ?? "", options: "-c role=gesta_app" });
  superuser = new pg.Client({ connectionString: app.databaseUrl ?? "" });
  await client.connect();
  await superuser.connect();
});
afterAll(async () => {
  await client?.end();
  await superuser?.end();
  await app?.stop();
});

interface Sent {
  readonly set: object;
  readonly [part: string]: unknown;
}

/** Personal values come with what stands for them in the event; the database does not look inside. */
const sealed = (command: Sent): object => ({
  ...command,
  sealed: Object.fromEntries(Object.keys(command.set).map((field) => [field, { sealed: "c2VhbGVk", version: 1 }])),
});

interface Tried {
  readonly command: Sent;
  readonly expected: RegExp;
  /** What is stored after it, where it is done. */
  readonly stores: string | null;
}

const as = (name: string) => seedId("users", name);
/** The numbers by which each of these users' records and orders have gone on. */
const versions = new Map<string, number>();

/** One command that the write function for users is sent, and the answer that it must have whatever stands beside it. */
function userCommand(random: ReturnType<typeof seededRandom>, used: Set<string>): Tried {
  const id = randomUUID();
  const email = `${id}@example.com`;
  const set = { name: id, email, avatar: null, role: "customer" };
  const register = {
    actor: null,
    action: "register",
    id,
    version: null,
    to: null,
    type: "UserRegistered",
    set,
    secrets: {},
  };
  const who = as(random.oneOf(["customer1", "customer2", "customer3", "staff1", "staff2"]) ?? "");
  const version = versions.get(who) ?? 1;
  const name = {
    actor: who,
    action: "name",
    id: who,
    version,
    to: null,
    type: "UserUpdated",
    set: { name: id },
    secrets: {},
  };
  const nothing = (command: Sent, expected: RegExp): Tried => ({ command, expected, stores: null });
  switch (random.below(12)) {
    case 0:
      return nothing({ ...register, set: { ...set, email: "customer1@EXAMPLE.com" } }, /^unique users_email_key$/);
    case 1:
      return nothing({ ...register, set: { ...set, role: "admin" } }, /^forbidden$/);
    case 2:
      return nothing({ ...register, set: { ...set, name: "" } }, /^invalid users_name_check$/);
    case 3:
      return nothing({ ...register, set: { ...set, created_at: "2020-01-01" } }, /^forbidden$/);
    case 4:
      return nothing({ ...name, version: 4711 }, /^stale \d+$/);
    case 5:
      return nothing({ ...name, actor: as("manager") }, /^not_found$/);
    case 6:
      return nothing({ ...name, actor: random.chance(0.5) ? id : as("logistician") }, /^unauthenticated$/);
    case 7:
      return nothing(
        { ...name, action: "email", set: { email: "admin@example.com" } },
        /^(unique users_email_key|stale \d+)$/,
      );
    case 8:
      return nothing(
        { ...name, action: "deactivate", to: "active", set: {} },
        /^(transition_not_allowed active|stale \d+)$/,
      );
    case 9:
      if (used.has(who)) return nothing(name, /^stale \d+$/);
      used.add(who);
      return { command: name, expected: /^done \d+ /, stores: id };
    default:
      return { command: register, expected: /^done 1 /, stores: id };
  }
}

test(
  `${batches} batches of good and refused commands: each has its own answer and only the good are stored, SEED=${seed}`,
  async () => {
    const random = seededRandom(seed);
    for (let batch = 0; batch < batches; batch++) {
      const { rows: now } = await superuser.query("select id, version from app.users where id = any ($1)", [
        ["customer1", "customer2", "customer3", "staff1", "staff2"].map(as),
      ]);
      for (const { id, version } of now) versions.set(id, version);
      const used = new Set<string>();
      const tries = Array.from({ length: size }, () => userCommand(random, used));
      const { rows } = await client.query("select app.write_users($1::jsonb) as answer", [
        JSON.stringify(tries.map(({ command }) => sealed(command))),
      ]);
      expect(rows.length).toBe(size);
      for (const [place, { expected, stores, command }] of tries.entries()) {
        const { answer } = rows[place];
        expect(answer, `${place} of batch ${batch}: ${JSON.stringify(command)}`).toMatch(expected);
        if (stores !== null) expect(JSON.parse(answer.replace(/^done \d+ /, "")).name).toBe(stores);
      }
      const good = tries.flatMap(({ stores }) => stores ?? []);
      const names = tries.flatMap(({ command }) =>
        "set" in command ? String(Reflect.get(command.set ?? {}, "name")) : [],
      );
      const stored = await superuser.query("select name from app.users where name = any ($1)", [names]);
      expect(stored.rows.map(({ name }) => name).sort()).toEqual(good.sort());
      // The event of each has a sealed name, at the version that the record has got by it.
      const events = await superuser.query(
        "select from gesta.events e join app.users u on u.id = e.stream_id and u.version = e.version where u.name = any ($1) and e.data->'name' ? 'sealed'",
        [names],
      );
      expect(events.rowCount).toBe(good.length);
    }
  },
  60_000 + batches * 1000,
);
