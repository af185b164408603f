import { Agent, type ClientRequest, request } from "node:http";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seedId } from "../../src/declare/application.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { signToken } from "../../src/services/tokens.ts";
import { type Random, seededRandom } from "../../src/testing/agreement/random.ts";
import { type FreshDatabase, freshDatabase } from "../support/fresh-database.ts";
import { type RunningProgram, startProgram } from "../support/running-program.ts";

// The full sizes, as a release is tested: GESTA_TEST_ABORTED=50000 GESTA_TEST_MIXED=100000 GESTA_TEST_CALLERS=200.
const size = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const abortedRequests = size("GESTA_TEST_ABORTED", 5000);
const mixedRequests = size("GESTA_TEST_MIXED", 10_000);
const callers = size("GESTA_TEST_CALLERS", 200);
const seed = size("GESTA_TEST_SEED", Math.floor(Math.random() * 2 ** 31));

const secret = "0123456789abcdef0123456789abcdef";
const restaurant = seedId("restaurants", "1");
const dish = seedId("menu_items", "100");
const soldOut = seedId("menu_items", "107");

interface Customer {
  readonly id: string;
  readonly token: string;
  readonly email: string;
  /** The orders that were acknowledged, with the status that each must have. */
  readonly orders: Map<string, string>;
  /** The name that was acknowledged last. */
  named: string;
  /** Names whose requests were broken off: what was not done yet may be done later than what was asked for after it. */
  readonly maybeNamed: Set<string>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

let database: FreshDatabase;
let program: RunningProgram;
let customers: readonly Customer[];
const agent = new Agent({ keepAlive: true, maxSockets: callers });

beforeAll(async () => {
  database = await freshDatabase();
  program = await startProgram("delivery", {
    ...process.env,
    PORT: "0",
    HOST: "127.0.0.1",
    DATABASE_URL: database.url,
    GESTA_JWT_SECRET: secret,
    // Far fewer connections than callers: each one serves all of them in turn, and all of them in one statement.
    GESTA_POOL_SIZE: "2",
    LOG_LEVEL: "error",
  });
  // Hashing passwords is bounded: whoever registers with 200 others at once is told to come again.
  const registered: Customer[] = [];
  const register = async (): Promise<void> => {
    for (let index = registered.length; index < callers; index = registered.length) {
      const place = registered.push(nobody) - 1;
      registered[place] = await registration(index);
    }
  };
  await Promise.all(Array.from({ length: 4 }, register));
  customers = registered;
});

/** Holds the place of one who is being registered. */
const nobody: Customer = { id: "", token: "", email: "", orders: new Map(), named: "", maybeNamed: new Set() };

async function registration(index: number): Promise<Customer> {
  const body = { name: `Customer ${index}`, email: `customer-${index}@example.com`, password: "a long password" };
  const answer = await send(null, "POST", "/users", body);
  expect(answer.status, answer.text).toBe(201);
  const { id } = JSON.parse(answer.text);
  const token = await signToken(secret, id, 3600, systemClock);
  return { id, token, email: body.email, orders: new Map(), named: body.name, maybeNamed: new Set() };
}

afterAll(async () => {
  agent.destroy();
  program?.child.kill("SIGKILL");
  await database?.drop();
});

/** Sends a request; `abort` is handed the request to break it off, and then there is no answer: status 0. */
function send(
  who: Customer | null,
  method: string,
  path: string,
  body?: object,
  abort?: (sent: ClientRequest) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(who === null ? {} : { authorization: `Bearer ${who.token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const sent = request(`${program.url}${path}`, { method, headers, agent }, (reply) => {
      let text = "";
      reply.setEncoding("utf8");
      reply.on("data", (part: string) => {
        text += part;
      });
      reply.on("end", () => resolve({ status: reply.statusCode ?? 0, text }));
      reply.on("error", () => resolve({ status: 0, text }));
    });
    sent.on("error", (error) => (abort === undefined ? reject(error) : resolve({ status: 0, text: "" })));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    abort?.(sent);
  });
}

interface Step {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  /** The answer that it must have. */
  readonly status: number;
  /** What its answer shows. */
  readonly shows: "order" | "orders" | "user" | "problem";
  /** The code of a refusal. */
  readonly code?: string;
  /** The name that it gives. */
  readonly name?: string;
  /** Sent twice at the same moment: one is done, the other finds it done and is refused with 409. */
  readonly twice?: true;
}

const order = (quantity: number, dishId = dish) => ({
  restaurant_id: restaurant,
  items: [{ menu_item_id: dishId, quantity }],
});

/** What a customer does next: reads, lists, commands of their own, and everything with what is another's. */
function nextStep(random: Random, me: Customer): Step {
  const other = random.oneOf(customers.filter((customer) => customer !== me)) ?? me;
  const mine = [...me.orders].filter(([, status]) => status === "pending_payment").map(([id]) => id);
  const theirs = [...other.orders.keys()];
  const dice = random.below(100);
  const one = random.oneOf(mine);
  if (one === undefined || dice < 10)
    return { method: "POST", path: "/orders", body: order(1 + random.below(50)), status: 201, shows: "order" };
  const own = `/orders/${one}`;
  const foreign = `/orders/${random.oneOf(theirs) ?? me.id}`;
  if (dice < 45) return { method: "GET", path: own, status: 200, shows: "order" };
  if (dice < 55) return { method: "GET", path: "/orders?limit=20", status: 200, shows: "orders" };
  if (dice < 65) return { method: "GET", path: `/users/${me.id}`, status: 200, shows: "user" };
  if (dice < 75) return { method: "GET", path: foreign, status: 404, shows: "problem" };
  if (dice < 80) return { method: "GET", path: `/users/${other.id}`, status: 404, shows: "problem" };
  const cancel = { method: "POST", path: `${own}/cancel`, body: {}, status: 200, shows: "order" } as const;
  if (dice < 82) return cancel;
  // Both are decided on the version before, and the later one is stale where it is written.
  if (dice < 84) return { ...cancel, twice: true };
  // One statement renames some and refuses others an address that is taken.
  const change = { method: "PATCH", path: "/users/me/email", status: 409, shows: "problem", code: "unique" } as const;
  if (dice < 86) return { ...change, body: { email: other.email.toUpperCase() } };
  if (dice < 88) {
    const name = `${me.id} ${dice} ${random.below(99)}`;
    return { method: "PATCH", path: "/users/me/name", body: { name }, name, status: 200, shows: "user" };
  }
  const over = random.oneOf([...me.orders].filter(([, status]) => status === "cancelled").map(([id]) => id));
  if (dice < 90 && over !== undefined)
    return {
      ...change,
      method: "POST",
      path: `/orders/${over}/confirm-payment`,
      body: {},
      code: "transition_not_allowed",
    };
  if (dice < 91) return { method: "POST", path: `${foreign}/cancel`, body: {}, status: 404, shows: "problem" };
  const refused = { method: "POST", path: "/orders", status: 422, shows: "problem" } as const;
  if (dice < 93) return { ...refused, body: order(51) };
  if (dice < 95) return { ...refused, body: order(1, soldOut) };
  if (dice < 97) return { ...refused, body: order(1, seedId("menu_items", "no such dish")) };
  return { ...refused, body: { ...order(1), user_id: other.id } };
}

/** What is wrong with an answer; null for nothing. */
function wrongIn(me: Customer, { status, shows, method, path, code }: Step, answer: Answer): string | null {
  const where = `${method} ${path} by ${me.id}: ${answer.status} ${answer.text}`;
  if (answer.status !== status) return `not ${status}: ${where}`;
  const body = JSON.parse(answer.text);
  const strangers = [...answer.text.matchAll(/"(?:user_id|name|email)":"([^"]*)"/g)].map(([, value]) => value);
  switch (shows) {
    case "order":
      return body.user_id === me.id && strangers.length === 1 ? null : `another's order: ${where}`;
    case "orders":
      return body.orders.every(({ user_id }: { readonly user_id: string }) => user_id === me.id) &&
        strangers.every((value) => value === me.id) &&
        body.orders.length > 0
        ? null
        : `others' orders: ${where}`;
    case "user":
      return body.id === me.id ? null : `another user: ${where}`;
    case "problem":
      return strangers.length === 0 && (code === undefined || body.code === code)
        ? null
        : `a refusal that tells: ${where}`;
  }
}

function remember(me: Customer, { method, path, shows }: Step, text: string): void {
  if (shows === "user" && method === "PATCH") me.named = JSON.parse(text).name;
  if (shows !== "order" || method !== "POST") return;
  const { id, status } = JSON.parse(text);
  if (path !== "/orders") expect(status).toBe("cancelled");
  me.orders.set(id, status);
}

/** All customers at once, each with one request at a time, so many in all; a part of them broken off. */
async function everyone(requests: number, aborted: number) {
  const began = performance.now();
  const wrong: string[] = [];
  const counts = new Map<number, number>();
  let left = requests;
  await Promise.all(
    customers.map(async (me, index) => {
      const random = seededRandom(seed + index);
      while (left-- > 0) {
        const step = nextStep(random, me);
        const breaks = random.chance(aborted);
        const delay = random.below(20);
        // Broken off at once, while it waits, while the database works, or while the answer is on its way.
        const abort = (sent: ClientRequest) => {
          if (delay === 0) sent.destroy();
          else setTimeout(() => sent.destroy(), delay);
        };
        const ask = () => send(me, step.method, step.path, step.body, breaks ? abort : undefined);
        const [first, second] = await Promise.all([ask(), ...(step.twice && !breaks ? [ask()] : [])]);
        const answer = second?.status === step.status ? second : (first as Answer); // the first was asked for
        if (second !== undefined) {
          const late: Step = { ...step, status: 409, shows: "problem", code: "transition_not_allowed" };
          const fault = wrongIn(me, late, answer === second ? first : second);
          if (fault !== null) wrong.push(fault);
        }
        counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
        if (answer.status === 0) {
          // Whether it was done is not known: an order that may have been cancelled is not asked about again.
          if (step.status === 200 && step.path.endsWith("/cancel"))
            me.orders.set(step.path.split("/")[2] ?? "", "unknown");
          if (step.name !== undefined) me.maybeNamed.add(step.name);
          continue;
        }
        const fault = wrongIn(me, step, answer);
        if (fault === null) remember(me, step, answer.text);
        else wrong.push(fault);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const told = [...counts].sort(([a], [b]) => a - b).map(([status, count]) => `${status || "broken off"}: ${count}`);
  process.stdout.write(
    `${requests} requests of ${callers} callers in ${seconds.toFixed(1)} s (${told.join(", ")}), seed ${seed}\n`,
  );
  return wrong;
}

/** The users as they are stored: those whose name is not what was acknowledged, or not what the events say. */
async function misnamed() {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query(
    `select u.id, u.name, u.email, u.version, (select count(*)::int from gesta.events e where e.stream_id = u.id) as events
       from app.users u where u.id = any ($1)`,
    [customers.map(({ id }) => id)],
  );
  await client.end();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return customers
    .map(({ id, named, email, maybeNamed }) => ({ id, named, email, maybeNamed, row: byId.get(id) }))
    .filter(
      ({ named, email, maybeNamed, row }) =>
        row?.email !== email || row.events !== row.version || (row.name !== named && !maybeNamed.has(row.name)),
    );
}

/** The orders that are stored for each customer, with their status and the number of their events. */
async function stored() {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query(
    `select o.id, o.user_id, o.status, o.version, (select count(*)::int from gesta.events e where e.stream_id = o.id) as events
       from app.orders o where o.user_id = any ($1)`,
    [customers.map(({ id }) => id)],
  );
  await client.end();
  return rows;
}

test(
  "every answer is its caller's own, and a refused command leaves the others of its batch as they are",
  async () => {
    expect(await everyone(mixedRequests, 0)).toEqual([]);
    const rows = await stored();
    // Exactly what was acknowledged is there: nothing more for a refused command, nothing less for its neighbours.
    const expected = customers.flatMap(({ id, orders }) =>
      [...orders].map(([key, status]) => `${key} ${id} ${status}`),
    );
    expect(rows.map(({ id, user_id, status }) => `${id} ${user_id} ${status}`).sort()).toEqual(expected.sort());
    expect(rows.filter(({ events, version }) => events !== version)).toEqual([]);
    expect(await misnamed()).toEqual([]);
  },
  60_000 + mixedRequests * 20,
);

test(
  "two connections behind all callers, a fifth of the requests broken off: no foreign record ever",
  async () => {
    expect(await everyone(abortedRequests, 0.2)).toEqual([]);
    const rows = await stored();
    const byId = new Map(rows.map((row) => [row.id, row]));
    // What was acknowledged is there; what was broken off may be there too, whole, with as many events as versions.
    for (const { id, orders } of customers)
      for (const [key, status] of orders) {
        const row = byId.get(key);
        expect(row?.user_id).toBe(id);
        if (status !== "unknown") expect([key, row?.status]).toEqual([key, status]);
      }
    expect(rows.filter(({ events, version }) => events !== version)).toEqual([]);
    expect(await misnamed()).toEqual([]);
    expect((await send(null, "GET", "/readyz")).status).toBe(200);
  },
  60_000 + abortedRequests * 20,
);
