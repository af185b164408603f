import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startPostgres } from "gesta/testing";
import pg from "pg";
import { connections, load, type Request, tool, type Variant } from "./load.ts";

/**
 * Gesta against two peers on the same tables of the same server, in one run: rounds interleave, medians are compared.
 * Seconds of a round and number of rounds: BENCH_SECONDS (4) and BENCH_ROUNDS (5);
 * the workloads, all by default, with commas between them: BENCH_ONLY.
 */
const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const secret = "a secret of at least thirty-two characters";
const root = fileURLToPath(new URL("../..", import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);

const ports = { gesta: 5601, bare: 5602, drizzle: 5603 };
type Peer = keyof typeof ports;
const originOf = (peer: Peer) => `http://127.0.0.1:${ports[peer]}`;

const server = await startPostgres({ shared_buffers: "512MB" });
const children: ChildProcess[] = [];
try {
  await query(server.url(), "create database bench");
  const url = server.url("bench");
  const environment = { ...process.env, DATABASE_URL: url, GESTA_JWT_SECRET: secret, HOST: "127.0.0.1" };
  children.push(
    spawn("bin/gesta.js", ["start"], {
      cwd: root,
      env: { ...environment, PORT: String(ports.gesta) },
      stdio: ["ignore", "ignore", "inherit"],
    }),
  );
  await waitFor(`${originOf("gesta")}/readyz`);
  await query(
    url,
    "create schema bench; create table bench.audit (at timestamptz not null default now(), type text not null, data jsonb not null)",
  );
  const customers = await Promise.all(
    ["customer1", "customer2", "customer3"].map((name) => tokenOf(name, environment)),
  );
  const [customer = ""] = customers;
  const readers = await Promise.all(["manager", "logistician", "admin"].map((name) => tokenOf(name, environment)));
  const me = await json(`${originOf("gesta")}/users/me`, customer);
  for (const peer of ["bare", "drizzle"] as const) {
    const child = fork(fileURLToPath(new URL(`${peer}-peer.js`, import.meta.url)), {
      env: { ...environment, PORT: String(ports[peer]), BENCH_USER: String(me.id) },
    });
    children.push(child);
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`the ${peer} peer ended with ${code} before it served`);
    });
    await Promise.race([once(child, "message"), ended]);
    ended.catch(() => {});
  }
  const only = process.env.BENCH_ONLY?.split(",");
  const workloads = await workloadsFor(customers, readers);
  // What autovacuum would do within a minute: without statistics, all peers sort whole tables.
  await query(url, "analyze");
  say(
    `PostgreSQL on this machine, ${tool}, ${connections} connections, ${rounds} rounds of ${seconds} s, medians of requests per second\n`,
  );
  say("| workload | gesta | bare | fastify + drizzle | gesta / bare | gesta / drizzle |");
  say("|---|---|---|---|---|---|");
  for (const [name, request] of Object.entries(workloads)) {
    if (only?.includes(name) !== false) say(await measured(name, request));
  }
} finally {
  for (const child of children) child.kill("SIGTERM");
  await sleep(500);
  await server.stop();
}

async function measured(name: string, request: Request): Promise<string> {
  const rates: Record<Peer, number[]> = { gesta: [], bare: [], drizzle: [] };
  const peers = Object.keys(ports) as Peer[]; // the literal's own keys
  const variants = request.variants.map(({ path, peerPath = path, headers }) => ({ path: peerPath, headers }));
  const askedOf = (peer: Peer) => (peer === "gesta" ? request : { ...request, variants });
  for (const peer of peers) await load(originOf(peer), askedOf(peer), 2);
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      const { perSecond, failed } = await load(originOf(peer), askedOf(peer), seconds);
      if (failed > 0) throw new Error(`${name}: ${peer} failed ${failed} requests`);
      rates[peer].push(perSecond);
    }
  }
  const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const [gesta, bare, drizzle] = [median(rates.gesta), median(rates.bare), median(rates.drizzle)];
  const cells = [
    name,
    ...[gesta, bare, drizzle].map((rate) => rate.toFixed(0)),
    (gesta / bare).toFixed(2),
    (gesta / drizzle).toFixed(2),
  ];
  return `| ${cells.join(" | ")} |`;
}

async function workloadsFor(
  customers: readonly string[],
  readers: readonly string[],
): Promise<Readonly<Record<string, Request>>> {
  const origin = originOf("gesta");
  const [customer = ""] = customers;
  const asCustomer = { authorization: `Bearer ${customer}` };
  const { menu_items: menu } = await json(`${origin}/menu_items`, customer);
  const [first] = menu;
  const items = menu.filter((item: Item) => item.restaurant_id === first.restaurant_id).slice(0, 3);
  const order = {
    restaurant_id: first.restaurant_id,
    items: items.map((item: Item) => ({ menu_item_id: item.id, quantity: 2 })),
    promotion_code: "TEN",
  };
  const inJson = { "content-type": "application/json" };
  const own = await Promise.all(customers.map((token) => placedBy(token, order)));
  const pages = await pagesFor(readers);
  const drink = {
    method: "POST",
    variants: [{ path: "/drinks", headers: inJson }],
    body: JSON.stringify({ name: "Jack", price: 10 }),
  } as const;
  return {
    "get by id": { method: "GET", variants: own.flat(), body: null, keyed: false },
    // Of a hundred pages for three callers no two that wait at the same moment are the same.
    "list of 20": { method: "GET", variants: pages, body: null, keyed: false },
    "the same list of 20": { method: "GET", variants: pages.slice(0, 1), body: null, keyed: false },
    "create a drink": { ...drink, keyed: false },
    "create with a key": { ...drink, keyed: true },
    "place an order": {
      method: "POST",
      variants: [{ path: "/orders", headers: { ...asCustomer, ...inJson } }],
      body: JSON.stringify(order),
      keyed: false,
    },
  };
}

/** A hundred orders of a customer, to be read by that customer. */
async function placedBy(token: string, order: object): Promise<readonly Variant[]> {
  const headers = { authorization: `Bearer ${token}` };
  const placed = Array.from({ length: 100 }, async () => {
    const reply = await fetch(`${originOf("gesta")}/orders`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(order),
    });
    return { path: `/orders/${JSON.parse(await reply.text()).id}`, headers };
  });
  return Promise.all(placed);
}

/** A hundred pages of orders for each reader; where Gesta takes a cursor, its peers take the id to go on after. */
async function pagesFor(readers: readonly string[]): Promise<readonly Variant[]> {
  const [reader = ""] = readers;
  const starts = Array.from({ length: 100 }, async (_, skip) => {
    const { orders, page } = await json(`${originOf("gesta")}/orders?limit=1&skip=${skip}`, reader);
    const path = `/orders?limit=20&cursor=${page.next}`;
    return { path, peerPath: `/orders?limit=20&after=${orders[0].id}` };
  });
  return (await Promise.all(starts)).flatMap((paths) =>
    readers.map((token) => ({ ...paths, headers: { authorization: `Bearer ${token}` } })),
  );
}

interface Item {
  readonly id: string;
  readonly restaurant_id: string;
}

async function json(url: string, token: string) {
  const reply = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!reply.ok) throw new Error(`${url}: ${reply.status}`);
  return JSON.parse(await reply.text());
}

async function tokenOf(name: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(process.execPath, ["bin/gesta.js", "token", "--as", name], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const part of child.stdout) text += part;
  return text.trim();
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text);
  await client.end();
}

async function waitFor(url: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const reply = await fetch(url).catch(() => null);
    if (reply?.ok) return;
    await sleep(100);
  }
  throw new Error(`${url} did not answer within 30 s`);
}
