import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import type { Engine } from "../../src/database/engine.ts";
import { openEngine } from "../../src/database/open-engine.ts";
import { seedId } from "../../src/declare/application.ts";
import { emitSchema } from "../../src/emit/schema-emitter.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import { newIdentifier } from "../../src/kernel/identifier.ts";
import { silent } from "../../src/kernel/observation.ts";
import { Refusal } from "../../src/kernel/refusal.ts";
import { newSecret, tokenHash } from "../../src/kernel/secret-token.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { accountsRepository } from "../../src/repositories/accounts-repository.ts";
import { pastRepository } from "../../src/repositories/past-repository.ts";
import { recordsRepository } from "../../src/repositories/records-repository.ts";
import { prepareSchema } from "../../src/repositories/schema-repository.ts";
import { workflowRepository } from "../../src/repositories/workflow-repository.ts";
import { commandsService } from "../../src/services/commands-service.ts";
import { signedConfirmations } from "../../src/services/confirmations.ts";
import { argon2Passwords, noPassword, type Passwords } from "../../src/services/passwords.ts";
import { sow } from "../../src/services/seed-service.ts";
import { type SessionsService, sessionsService } from "../../src/services/sessions-service.ts";
import { workflowsInForce } from "../../src/services/workflows-in-force.ts";
import { type FreshDatabase, freshDatabase } from "../support/fresh-database.ts";
import { engines } from "../support/running-application.ts";

const { plan, behaviours, seed } = makePlan(delivery);

/** Passwords whose hash is readable, so that what is verified can be counted, and as fast as the test likes. */
const verified: string[] = [];
let failing: Refusal | null = null;
const readable: Passwords = {
  hash: async (password) => `hash of ${password}`,
  matches: async (hash, password) => {
    verified.push(hash);
    if (failing !== null) throw failing;
    return hash === `hash of ${password}`;
  },
};

describe.each(engines)("signing in on %s", (kind) => {
  let engine: Engine;
  let sessions: SessionsService;
  let database: FreshDatabase | null;
  const directory = mkdtempSync(join(tmpdir(), "gesta-sessions-"));

  beforeAll(async () => {
    database = kind === "postgres" ? await freshDatabase() : null;
    const url = database === null ? {} : { DATABASE_URL: database.url };
    engine = await openEngine(
      readConfiguration({ GESTA_DATA: directory, ...url }, () => ""),
      silent,
    );
    await prepareSchema(engine, emitSchema(plan));
    const records = recordsRepository(engine, plan);
    const confirmations = signedConfirmations("the secret of the tests", systemClock);
    const past = pastRepository(engine, plan);
    const parts = { plan, records, passwords: readable, newId: newIdentifier, confirmations };
    const workflows = workflowsInForce(workflowRepository(engine));
    const users = seed.filter(({ entity }) => entity === "users");
    await sow(
      plan,
      commandsService({ ...parts, past, behaviours, workflows, clock: systemClock, observe: silent }),
      users,
    );
    sessions = sessionsService({ ...parts, accounts: accountsRepository(engine), newSecret, sessionHours: 1 });
  });
  afterAll(async () => {
    await engine.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    failing = null;
    await engine.migrate("delete from gesta.sign_in_attempts");
    verified.length = 0;
  });

  const from = (network: string) => ({ address: network, network, userAgent: "a".repeat(300) });
  /** What came of it: `in`, or the code of the refusal. */
  const attempt = (email: string, password: string, network = "192.0.2.1"): Promise<string> =>
    sessions.signIn({ email, password }, from(network)).then(
      () => "in",
      (error: unknown) => {
        if (error instanceof Refusal) return error.code;
        throw error;
      },
    );
  const counted = (outcomes: readonly string[]) =>
    Object.fromEntries([...new Set(outcomes)].sort().map((each) => [each, outcomes.filter((o) => o === each).length]));
  const times = (number: number, work: (index: number) => Promise<string>) =>
    Promise.all(Array.from({ length: number }, (_, index) => work(index)));

  test("verifies exactly one password, whoever it is and whether there is anybody", async () => {
    await engine.migrate(
      `alter table app.users disable trigger all; set local gesta.actor = 'system';
       update app.users set status = 'deactivated' where id = '${seedId("users", "customer3")}'`,
    );
    const outcomes = [
      await attempt("customer1@example.com", "customer1-password"),
      await attempt("customer1@example.com", "wrong"),
      await attempt("nobody@example.com", "wrong"),
      await attempt("customer3@example.com", "customer3-password"),
      await attempt("customer3@example.com", "wrong"),
    ];
    expect(outcomes).toEqual(["in", ...Array.from({ length: 4 }, () => "unauthenticated")]);
    const [one, three] = ["hash of customer1-password", "hash of customer3-password"];
    expect(verified).toEqual([one, one, noPassword, three, three]);
  });

  test("30 wrong passwords at once: ten are looked at, the rest wait", async () => {
    const outcomes = await times(30, (index) => attempt("CUSTOMER1@example.com", `wrong ${index}`, `192.0.2.${index}`));
    expect(counted(outcomes)).toEqual({ rate_limited: 20, unauthenticated: 10 });
    expect(verified).toHaveLength(10);
    expect(await attempt("customer1@example.com", "customer1-password")).toBe("rate_limited");
    expect(await attempt("customer2@example.com", "customer2-password")).toBe("in");
  });

  test("case is what the database takes it for: a letter that it folds to another is the same account", async () => {
    const [[folds] = []] = await engine.inspect("select (lower('İ') = 'i')::text");
    const spelling = folds === "true" ? "logİstician@example.com" : "LOGISTICIAN@EXAMPLE.COM";
    for (let tries = 0; tries < 10; tries++) await attempt(spelling, "wrong");
    expect(await attempt("logistician@example.com", "wrong")).toBe("rate_limited");
  });

  test("60 failures a minute are an address's, whatever the accounts", async () => {
    const outcomes = await times(70, (index) => attempt(`nobody${index}@example.com`, "wrong", "2001:db8:0:0::/64"));
    expect(counted(outcomes)).toEqual({ rate_limited: 10, unauthenticated: 60 });
    expect(await attempt("customer1@example.com", "customer1-password", "2001:db8:0:0::/64")).toBe("rate_limited");
    expect(await attempt("customer1@example.com", "customer1-password", "2001:db8:0:1::/64")).toBe("in");
  });

  test("what succeeds does not count, nor what nobody looked at", async () => {
    for (let tries = 0; tries < 12; tries++) {
      expect(await attempt("customer1@example.com", "customer1-password")).toBe("in");
    }
    failing = new Refusal("overloaded", { retryAfter: 1 });
    for (let tries = 0; tries < 12; tries++) expect(await attempt("customer1@example.com", "x")).toBe("overloaded");
    failing = null;
    expect(await engine.inspect("select count(*)::integer from gesta.sign_in_attempts")).toEqual([[0]]);
  });

  test("the minute passes by the database's clock, and what is over is swept", async () => {
    await times(10, () => attempt("customer1@example.com", "wrong"));
    const refused = await sessions.signIn({ email: "customer1@example.com", password: "x" }, from("y")).catch((e) => e);
    expect(refused.told.retryAfter).toBeGreaterThan(0);
    await engine.migrate("update gesta.sign_in_attempts set at = at - interval '61 seconds'");
    expect(await attempt("customer1@example.com", "wrong")).toBe("unauthenticated");
    expect(await engine.inspect("select count(*)::integer from gesta.sign_in_attempts")).toEqual([[2]]);
  });

  test("a session ends by the database's clock, and is swept", async () => {
    const accounts = accountsRepository(engine);
    const { token } = await sessions.signIn({ email: "admin@example.com", password: "admin-password" }, from("z"));
    expect(await accounts.credential(tokenHash(token))).toMatchObject({
      kind: "session",
      user: seedId("users", "admin"),
    });
    await engine.migrate("update gesta.sessions set expires_at = gesta.now()");
    expect(await accounts.credential(tokenHash(token))).toBeNull();
    await attempt("admin@example.com", "admin-password");
    expect(await engine.inspect("select count(*)::integer from gesta.sessions")).toEqual([[1]]);
  });

  test("a password that changed while the old one was verified opens nothing", async () => {
    const user = seedId("users", "manager");
    const late = sessionsService({
      plan,
      records: recordsRepository(engine, plan),
      accounts: accountsRepository(engine),
      newId: newIdentifier,
      newSecret,
      sessionHours: 1,
      passwords: {
        ...readable,
        matches: async (hash, password) => {
          const right = await readable.matches(hash, password);
          await engine.migrate(`update gesta.secrets set hash = 'hash of another' where stream_id = '${user}'`);
          return right;
        },
      },
    });
    const refused = late.signIn({ email: "manager@example.com", password: "manager-password" }, from("w"));
    await expect(refused).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await engine.inspect("select id from gesta.sessions where user_id = $1", [user])).toEqual([]);
  });

  test("of tokens only hashes are stored, of where they came from no more than is shown", async () => {
    const { token } = await sessions.signIn(
      { email: "admin@example.com", password: "admin-password" },
      from("192.0.2.7"),
    );
    const rows = await engine.inspect(
      "select s::text from gesta.sessions s union all select a::text from gesta.sign_in_attempts a",
    );
    const text = rows.flat().join("\n");
    expect(text).toContain(tokenHash(token));
    expect(text).not.toContain(token.slice(3));
    expect(text).toContain(`,${"a".repeat(200)})`);
  });

  test("the application's role may not look at what is stored", async () => {
    for (const table of ["sessions", "api_keys", "sign_in_attempts"]) {
      const look = { name: `look_${table}`, text: `select * from gesta.${table}`, writes: false };
      await expect(engine.run(look, [])).rejects.toMatchObject({ sqlState: "42501" });
    }
    const call = { name: "end_access", text: "select gesta.end_access($1::uuid, null)", writes: true };
    await expect(engine.run(call, [seedId("users", "admin")])).rejects.toMatchObject({ sqlState: "42501" });
  });
});

test("the hash of no password costs what the others cost, and no password comes to it", async () => {
  const passwords = argon2Passwords();
  const cost = (hash: string) => hash.split("$").slice(0, 4);
  expect(cost(noPassword)).toEqual(cost(await passwords.hash("any")));
  expect(await passwords.matches(noPassword, "any")).toBe(false);
});
