import { Agent } from "node:http";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import orderWorkflow from "../../examples/delivery/order.workflow.json" with { type: "json" };
import { seedId } from "../../src/declare/application.ts";
import type { WorkflowSource } from "../../src/declare/workflow.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { signToken } from "../../src/services/tokens.ts";
import { type Random, seededRandom } from "../../src/testing/agreement/random.ts";
import { type FreshDatabase, freshDatabase } from "../support/fresh-database.ts";
import { exchange, type Received } from "../support/http-exchange.ts";
import { type RunningProgram, startProgram } from "../support/running-program.ts";

// The full size, as a release is tested: GESTA_TEST_RACES=10000.
const races = Number(process.env.GESTA_TEST_RACES ?? 300);
const clients = 64;
const seed = Number(process.env.GESTA_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const secret = "0123456789abcdef0123456789abcdef";

const agent = new Agent({ keepAlive: true, maxSockets: clients });
const tokens = new Map<string, string>();
let database: FreshDatabase;
let program: RunningProgram;
let ledger: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  const env = { ...process.env, PORT: "0", HOST: "127.0.0.1", DATABASE_URL: database.url, GESTA_JWT_SECRET: secret };
  program = await startProgram("delivery", { ...env, LOG_LEVEL: "error" });
  ledger = new pg.Client({ connectionString: database.url });
  await ledger.connect();
  for (const name of ["customer1", "staff1", "admin"]) {
    tokens.set(name, await signToken(secret, seedId("users", name), 24 * 3600, systemClock));
  }
});
afterAll(async () => {
  agent.destroy();
  await ledger?.end();
  program?.child.kill("SIGKILL");
  await database?.drop();
});

interface Wish {
  readonly method: "POST" | "DELETE";
  /** Below the order: `/cancel`. */
  readonly path: string;
  readonly action: string;
  readonly who: string;
  readonly body?: object;
}

const send = (wish: Wish, at: string, headers: Readonly<Record<string, string>> = {}): Promise<Received> =>
  exchange(agent, {
    method: wish.method,
    url: `${program.url}${at}${wish.path}`,
    token: tokens.get(wish.who) ?? null,
    body: wish.body,
    headers,
  });

const post = (action: string, who: string, body: object = {}): Wish => ({
  method: "POST",
  path: `/${action.replace("_", "-")}`,
  action,
  who,
  body,
});
const status = (to: string, who: string) => post("status", who, { status: to });

/** How far an order has come before the race. */
const beginnings: readonly (readonly Wish[])[] = [
  [],
  [post("confirm_payment", "customer1")],
  [post("confirm_payment", "customer1"), status("cooking", "staff1")],
  [post("confirm_payment", "customer1"), status("cooking", "staff1"), status("on_way", "staff1")],
];

/** @param cancels how many in a hundred cancel: few leave the order time to go on. */
function wishOf(random: Random, cancels: number, deletes: boolean): Wish {
  if (random.below(100) < cancels) {
    return post("cancel", random.oneOf(["customer1", "staff1", "admin"] as const) ?? "admin");
  }
  const dice = random.below(100);
  if (dice < 25) return post("confirm_payment", "customer1");
  if (deletes && dice < 35) return { method: "DELETE", path: "", action: "delete", who: "admin" };
  const to = random.oneOf(["accepted", "cooking", "on_way", "delivered"] as const) ?? "accepted";
  return status(to, random.oneOf(["staff1", "admin"] as const) ?? "admin");
}

interface Fact {
  readonly version: number;
  readonly action: string;
  readonly status: string | null;
}

async function history(id: string): Promise<readonly Fact[]> {
  const { rows } = await ledger.query(
    "select version, action, data->>'status' as status from gesta.events where stream_id = $1 order by version",
    [id],
  );
  return rows;
}

/** Whether the workflow leads all along the events. */
function illegalStep(facts: readonly Fact[]): Fact | null {
  let state = orderWorkflow.initial;
  const states: WorkflowSource["states"] = orderWorkflow.states;
  for (const [index, fact] of facts.entries()) {
    if (fact.action === "delete") return index === facts.length - 1 ? null : fact;
    const from = state;
    state = fact.status ?? "";
    const to = index === 0 ? orderWorkflow.initial : (states[from]?.on?.[fact.action] ?? []);
    if (![to].flat().includes(state)) return fact;
  }
  return null;
}

const counts = new Map<string, number>();

/** One order, and everybody at once. */
async function race(random: Random): Promise<readonly string[]> {
  const dish = { menu_item_id: seedId("menu_items", "101"), quantity: 1 };
  const order = { restaurant_id: seedId("restaurants", "1"), items: [dish] };
  const placed = await send({ method: "POST", path: "", action: "place", who: "customer1", body: order }, "/orders");
  expect(placed.status, placed.text).toBe(201);
  const { id } = JSON.parse(placed.text);
  const at = `/orders/${id}`;
  const beginning = random.oneOf(beginnings) ?? [];
  for (const wish of beginning) expect((await send(wish, at)).status).toBe(200);
  const before = 1 + beginning.length;

  const deletes = random.chance(0.25);
  const cancels = random.oneOf([2, 5, 20, 50] as const) ?? 50;
  const wishes = Array.from({ length: clients }, () => {
    const dice = random.below(10);
    // What was read before the race, what will be read in it, and what never is.
    const tag = dice < 3 ? before : dice < 4 ? before + 1 : dice < 5 ? 999 : null;
    return { wish: wishOf(random, cancels, deletes), tag };
  });
  const replies = await Promise.all(
    wishes.map(({ wish, tag }) => send(wish, at, tag === null ? {} : { "if-match": `"${tag}"` })),
  );
  const facts = await history(id);
  return faultsOf(before, wishes, replies, facts).map((fault) => `${at}: ${fault}`);
}

function faultsOf(
  before: number,
  wishes: readonly { readonly wish: Wish; readonly tag: number | null }[],
  replies: readonly Received[],
  facts: readonly Fact[],
): readonly string[] {
  const faults: string[] = [];
  const won = new Map<number, Wish>();
  let deleted = 0;
  for (const [index, { wish, tag }] of wishes.entries()) {
    const { status, text } = replies[index] ?? { status: 0, text: "" };
    const name = `${wish.action} ${status}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (status === 204) deleted++;
    else if (status === 200) {
      const { version, status: state } = JSON.parse(text);
      const fact = facts.find((each) => each.version === version);
      if (won.has(version)) faults.push(`two winners of version ${version}`);
      if (fact?.action !== wish.action || fact.status !== state)
        faults.push(`version ${version} is not ${wish.action}`);
      if (tag !== null && version !== tag + 1) faults.push(`If-Match "${tag}" gave version ${version}`);
      won.set(version, wish);
    } else if (![409, 410, 412].includes(status)) faults.push(`${name}: ${text}`);
    else if (status === 412 && tag === null) faults.push("412 without If-Match");
  }
  const isDeleted = facts.at(-1)?.action === "delete";
  if (isDeleted !== deleted > 0) faults.push("a deletion that was answered and is not there, or the other way round");
  if (!isDeleted && replies.some(({ status }) => status === 410)) faults.push("410 without a deletion");
  const versions = facts.map(({ version }) => version);
  if (versions.some((version, index) => version !== index + 1)) faults.push(`gaps: ${versions}`);
  if (facts.length - before !== won.size + (isDeleted ? 1 : 0)) {
    faults.push(`${facts.length - before} events, ${won.size} winners`);
  }
  const illegal = illegalStep(facts);
  if (illegal !== null) faults.push(`no way leads to version ${illegal.version}: ${JSON.stringify(facts)}`);
  return faults;
}

test(`${clients} clients race for one order, ${races} times: one winner for each version (GESTA_TEST_SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  const began = performance.now();
  const faults: string[] = [];
  for (let n = 0; n < races; n++) faults.push(...(await race(random)));
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const told = [...counts].sort().map(([name, count]) => `${name}: ${count}`);
  process.stdout.write(`${races} races in ${seconds} s, seed ${seed}: ${told.join(", ")}\n`);
  expect(faults).toEqual([]);
  // Nobody races against whoever always wins.
  for (const action of ["cancel", "status"]) expect([...counts.keys()]).toContain(`${action} 200`);
}, 7_200_000);
