import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { signToken } from "../../src/services/tokens.ts";
import { type FreshDatabase, freshDatabase } from "../support/fresh-database.ts";
import { type RunningProgram, startProgram } from "../support/running-program.ts";
import { repositoryRoot } from "../support/source-tree.ts";

// A release is tested with GESTA_TEST_KILLS=20.
const rounds = Number(process.env.GESTA_TEST_KILLS ?? 2);
const header = "x-killed-at";
const secret = "0123456789abcdef0123456789abcdef";
/** How long a key may be said to be in flight after the death of the process that had it. */
const longestInFlight = 10_000;

/** In the process: support/kill-points.mjs knows them by these names. */
const inProcess = {
  before: ["request read", "caller identified", "records loaded", "clock asked", "before the write is sent"],
  after: ["answered by the database", "half of the reply sent"],
} as const;
/** In the database: the write waits for a lock that the test holds, at triggers that the test has made. */
const inDatabase = {
  "at the lock of the streams": "hashtextextended('gesta.workflow', 0)",
  "at the record": "1",
  "at the event": "2",
  "at the key": "3",
  "at the commit": "4",
} as const;
type DatabasePoint = keyof typeof inDatabase;
const databasePoints = Object.keys(inDatabase) as DatabasePoint[]; // its keys, as written above
const isInDatabase = (point: string): point is DatabasePoint => point in inDatabase;
const points: readonly string[] = [...inProcess.before, ...databasePoints, ...inProcess.after];

/** What becomes of the session that waits in the database when its process is gone. */
const endings = ["goes on", "is terminated", "waits in vain"] as const;
const commands = ["place", "update", "confirm", "register"] as const;

const waitingTriggers = `
  create function public.wait() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock_shared(tg_argv[0]::bigint);
    return new;
  end
  $$;
  create trigger waits before insert or update on app.orders for each row execute function public.wait(1);
  create trigger waits before insert on app.users for each row execute function public.wait(1);
  create trigger waits before update on app.menu_items for each row execute function public.wait(1);
  create trigger waits before insert on gesta.events for each row execute function public.wait(2);
  create trigger waits before insert on gesta.idempotency for each row execute function public.wait(3);
  create constraint trigger waits_last after insert on gesta.idempotency deferrable initially deferred
    for each row execute function public.wait(4);`;

/** A database, the process that serves it, and the one that will when this one has been killed. */
class Lane {
  readonly #env: NodeJS.ProcessEnv;
  readonly database: FreshDatabase;
  readonly sql: pg.Client;
  #now: Promise<RunningProgram>;
  #next: Promise<RunningProgram>;

  private constructor(database: FreshDatabase, sql: pg.Client, env: NodeJS.ProcessEnv, now: RunningProgram) {
    this.#env = env;
    this.database = database;
    this.sql = sql;
    this.#now = Promise.resolve(now);
    this.#next = startProgram("delivery", env);
  }

  static async open(): Promise<Lane> {
    const database = await freshDatabase();
    const env = {
      ...process.env,
      NODE_OPTIONS: `--import ${new URL("../support/kill-points.mjs", import.meta.url).href}`,
      GESTA_TEST_KILL_HEADER: header,
      PORT: "0",
      HOST: "127.0.0.1",
      DATABASE_URL: database.url,
      GESTA_JWT_SECRET: secret,
      LOG_LEVEL: "fatal",
    };
    const now = await startProgram("delivery", env);
    const sql = new pg.Client({ connectionString: database.url });
    await sql.connect();
    await sql.query(waitingTriggers);
    return new Lane(database, sql, env, now);
  }

  program = (): Promise<RunningProgram> => this.#now;

  /** Whoever comes next serves; another one gets ready. */
  succeed(): void {
    this.#now = this.#next;
    this.#next = startProgram("delivery", this.#env);
  }

  verify(): string {
    const words = ["bin/gesta.js", "verify", "--application", "examples/delivery/dist/application.js"];
    return spawnSync(process.execPath, words, { cwd: repositoryRoot, env: this.#env, encoding: "utf8" }).stdout;
  }

  async close(): Promise<void> {
    for (const program of await Promise.all([this.#now, this.#next])) program.child.kill("SIGKILL");
    await this.sql.end();
    await this.database.drop();
  }

  /** How much of everything there is. */
  async stored() {
    const { rows } = await this.sql.query<Record<"orders" | "versions" | "events" | "keys", number>>(
      `select (select count(*)::int from app.orders) as orders,
              (select sum(version)::int from (
                select version from app.orders union all select version from app.menu_items
                union all select version from app.users) r) as versions,
              (select count(*)::int from gesta.events) as events,
              (select count(*)::int from gesta.idempotency) as keys`,
    );
    const [counts] = rows;
    if (counts === undefined) throw new Error("a row of counts");
    return counts;
  }
}

interface Sent {
  readonly method: string;
  readonly path: string;
  /** The name of a sown user, or null for a visitor. */
  readonly who: string | null;
  readonly body: object | null;
  readonly headers: Readonly<Record<string, string>>;
}

interface Answer {
  /** 0 when the connection broke before there was a status. */
  readonly status: number;
  readonly text: string;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly whole: boolean;
}

async function send(url: string, { method, path, who, body, headers }: Sent): Promise<Answer> {
  const token = who === null ? null : await signToken(secret, seedId("users", who), 600, systemClock);
  return new Promise((resolve) => {
    let answer: Answer = { status: 0, text: "", headers: {}, whole: false };
    const type = body === null ? {} : { "content-type": "application/json" };
    const options = {
      method,
      agent: false,
      headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...type, ...headers },
    };
    const sent = request(`${url}${path}`, options, (reply) => {
      answer = { ...answer, status: reply.statusCode ?? 0, headers: reply.headers };
      reply.setEncoding("utf8");
      reply.on("data", (part: string) => {
        answer = { ...answer, text: answer.text + part };
      });
      reply.on("end", () => resolve({ ...answer, whole: true }));
      reply.on("error", () => resolve(answer));
    });
    sent.on("error", () => resolve(answer));
    sent.end(body === null ? undefined : JSON.stringify(body));
  });
}

const order = {
  restaurant_id: seedId("restaurants", "1"),
  items: [{ menu_item_id: seedId("menu_items", "100"), quantity: 2 }],
};
const dish = seedId("menu_items", "103");

/** A command that has an effect, and the growth that its one effect is. */
async function commandOf(lane: Lane, kind: (typeof commands)[number], key: string) {
  const headers = { "idempotency-key": key };
  const grown = { orders: 0, versions: 1, events: 1, keys: 1 };
  const place: Sent = { method: "POST", path: "/orders", who: "customer1", body: order, headers };
  if (kind === "place") return { sent: place, status: 201, grown: { ...grown, orders: 1 } };
  if (kind === "register") {
    // Whoever repeats it must not be told that the address is taken: it is, by the first try. A wallet comes with it.
    const body = { name: "Kim", email: `${key}@example.com`, password: "correct horse battery staple" };
    return { sent: { ...place, path: "/users", who: null, body }, status: 201, grown: { ...grown, events: 2 } };
  }
  const { url } = await lane.program();
  if (kind === "confirm") {
    const placed = await send(url, { ...place, headers: {} });
    const path = `/orders/${JSON.parse(placed.text).id}/confirm-payment`;
    return { sent: { ...place, path, body: {} }, status: 200, grown };
  }
  const path = `/menu_items/${dish}`;
  const shown = await send(url, { ...place, method: "GET", path, who: "staff1", body: null, headers: {} });
  const { version, price } = JSON.parse(shown.text);
  const sent: Sent = { method: "PATCH", path, who: "staff1", body: { price: price + 1 }, headers };
  return { sent: { ...sent, headers: { ...headers, "if-match": `"${version}"` } }, status: 200, grown };
}

/** Holds the lock at which the write of a request waits, kills its process then, and lets the session end as told. */
async function killWhileWaiting(lane: Lane, point: DatabasePoint, ending: (typeof endings)[number], sent: Sent) {
  const { child, url } = await lane.program();
  const died = once(child, "exit");
  await lane.sql.query(`select pg_advisory_lock(${inDatabase[point]})`);
  const tried = send(url, sent);
  const waiting = async () => {
    const { rows } = await lane.sql.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and wait_event = 'advisory'",
    );
    return rows.map(({ pid }) => pid);
  };
  while ((await waiting()).length === 0) await pause(5);
  child.kill("SIGKILL");
  const pids = await waiting();
  const release = () => lane.sql.query(`select pg_advisory_unlock(${inDatabase[point]})`);
  if (ending === "goes on") await release();
  if (ending === "is terminated")
    await lane.sql.query("select pg_terminate_backend(pid) from unnest($1::int[]) pid", [pids]);
  // The session gives up by itself; until then its lock keeps the key, and nobody may run the command again.
  const ended = async () => {
    const gone = "select from pg_stat_activity where pid = any ($1)";
    while (((await lane.sql.query(gone, [pids])).rowCount ?? 0) > 0) await pause(20);
    if (ending !== "goes on") await release();
  };
  expect(await died).toEqual([null, "SIGKILL"]);
  return { tried: await tried, ended: ended() };
}

async function killAt(lane: Lane, point: string, sent: Sent) {
  const { child, url } = await lane.program();
  const died = once(child, "exit");
  const tried = await send(url, { ...sent, headers: { ...sent.headers, [header]: point } });
  expect([point, tried.whole]).toEqual([point, false]);
  expect(await died).toEqual([null, "SIGKILL"]);
  return { tried, ended: Promise.resolve() };
}

interface Told {
  readonly point: string;
  readonly ending: string;
  /** Whether the killed try had its effect. */
  readonly done: boolean;
  readonly inFlight: number;
}

async function round(lane: Lane, point: string, index: number): Promise<Told> {
  const place = points.indexOf(point);
  // A visitor who registers is nobody's record, and needs none.
  const asked = ["caller identified", "records loaded"].includes(point);
  const possible = commands.filter((each) => !(asked && each === "register"));
  const kind = possible[(index + place) % possible.length] ?? "place";
  const ending = endings[(index + Math.floor(index / 3) + 2 * place) % endings.length] ?? "goes on";
  const { sent, status, grown } = await commandOf(lane, kind, randomUUID());
  const before = await lane.stored();
  const { tried, ended } = isInDatabase(point)
    ? await killWhileWaiting(lane, point, ending, sent)
    : await killAt(lane, point, sent);

  lane.succeed();
  const { url } = await lane.program();
  const began = performance.now();
  let answer = await send(url, sent);
  while (answer.status === 409) {
    expect(JSON.parse(answer.text).code).toBe("idempotency_in_flight");
    await pause(20);
    answer = await send(url, sent);
  }
  const inFlight = performance.now() - began;
  await ended;
  const again = await send(url, sent);

  const where = `${point}, ${kind}: ${answer.text}`;
  expect(answer.status, where).toBe(status);
  expect([again.status, again.text], where).toEqual([status, answer.text]);
  expect(again.headers["idempotency-replayed"]).toBe("true");
  for (const name of ["etag", "location"]) expect(again.headers[name]).toBe(answer.headers[name]);
  expect(answer.text.startsWith(tried.text), `${where} after ${tried.text}`).toBe(true);
  expect(inFlight, where).toBeLessThan(longestInFlight);
  const after = await lane.stored();
  const growth = Object.fromEntries(
    Object.entries(grown).map(([name]) => [name, Number(Reflect.get(after, name)) - Number(Reflect.get(before, name))]),
  );
  expect([where, growth]).toEqual([where, grown]);
  const done = answer.headers["idempotency-replayed"] === "true";
  return { point, ending: isInDatabase(point) ? ending : "", done, inFlight };
}

let lanes: readonly Lane[];
beforeAll(async () => {
  lanes = await Promise.all([Lane.open(), Lane.open()]);
});
afterAll(async () => {
  for (const lane of lanes ?? []) await lane.close();
});

test(
  `killed at ${points.length} points, ${rounds} times at each: the same key has one effect and one answer`,
  async () => {
    const left = Array.from({ length: rounds }, (_, index) => points.map((point) => ({ point, index }))).flat();
    const told: Told[] = [];
    await Promise.all(
      lanes.map(async (lane) => {
        for (let next = left.shift(); next !== undefined; next = left.shift()) {
          told.push(await round(lane, next.point, next.index));
        }
      }),
    );

    const lines = points.flatMap((point) =>
      (isInDatabase(point) ? endings : [""]).flatMap((ending) => {
        const tries = told.filter((each) => each.point === point && each.ending === ending);
        if (tries.length === 0) return [];
        const done = tries.filter((each) => each.done).length;
        const longest = Math.max(...tries.map(({ inFlight }) => inFlight));
        const what = ending === "" ? point : `${point}, the session ${ending}`;
        return [
          `${what.padEnd(54)} ${tries.length} kills: ${done} had been done; answered within ${longest.toFixed(0)} ms`,
        ];
      }),
    );
    process.stdout.write(`${lines.join("\n")}\n`);
    // A kill before the write leaves nothing, one after the database's answer leaves all of it.
    const done = (names: readonly string[]) =>
      told.filter(({ point }) => names.includes(point)).map((each) => each.done);
    expect(done(inProcess.before)).not.toContain(true);
    expect(done(inProcess.after)).not.toContain(false);
    expect(told.filter(({ ending, done }) => ending === "is terminated" && done)).toEqual([]);
    for (const lane of lanes) expect(lane.verify()).toMatch(/ 0 findings\n$/);
  },
  60_000 + rounds * points.length * 10_000,
);
