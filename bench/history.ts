import { type ChildProcess, spawn } from "node:child_process";
import { Agent, get as ask } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startPostgres } from "gesta/testing";
import pg from "pg";
import { load, type Variant } from "./load.ts";

/**
 * What the past costs beside the present, on a large database: BENCH_DATABASE (a superuser's URL), or one that is sown
 * here with BENCH_ORDERS (20,000) orders. Kinds of requests interleave, medians are told; then `gesta verify`.
 */
const seconds = Number(process.env.BENCH_SECONDS ?? 3);
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const orders = process.env.BENCH_ORDERS ?? "20000";
const loneRequests = 300;
/** Milliseconds after which a kind of request has been asked often enough. */
const loneTime = 4_000;
const open = 16;
const port = 5604;
const origin = `http://127.0.0.1:${port}`;
const secret = "a secret of at least thirty-two characters";
const root = fileURLToPath(new URL("../..", import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);

const given = process.env.BENCH_DATABASE;
const server = given === undefined ? await startPostgres({ shared_buffers: "512MB" }) : null;
const databaseUrl = given ?? server?.url() ?? "";
const environment = {
  ...process.env,
  DATABASE_URL: databaseUrl,
  GESTA_JWT_SECRET: secret,
  // A database that is given may be half sown: it is measured as it is.
  GESTA_SEED: given === undefined ? "large" : "none",
  GESTA_SEED_ORDERS: orders,
  HOST: "127.0.0.1",
  PORT: String(port),
};
let application: ChildProcess | undefined;
try {
  application = spawn("bin/gesta.js", ["start"], {
    cwd: root,
    env: environment,
    stdio: ["ignore", "ignore", "inherit"],
  });
  await serves(application);
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  if (given === undefined) await database.query("analyze");
  const kinds = await kindsOf(database, await output(["token", "--as", "manager"]));
  await tellSize(database);
  await database.end();
  await tellRequests(kinds);
  await tellVerification();
} finally {
  application?.kill("SIGTERM");
  await sleep(500);
  await server?.stop();
}

type Kinds = Readonly<Record<string, readonly Variant[]>>;

/** The same orders, the same pages: now, and in the past. */
async function kindsOf(database: pg.Client, token: string): Promise<Kinds> {
  const headers = { authorization: `Bearer ${token}` };
  const { rows: sample } = await database.query<{ id: string; second: string }>(
    `select o.id, gesta.instant(e.at) as second
       from (select id from app.orders where version > 3 order by md5(id::text) limit 200) o
       join gesta.events e on e.stream_id = o.id and e.version = 2`,
  );
  const {
    rows: [span],
  } = await database.query<{ recent: string; middle: string }>(
    `select gesta.instant(max(at) - (max(at) - min(at)) / 100) as recent,
            gesta.instant(max(at) - (max(at) - min(at)) / 2) as middle
       from gesta.events where entity = 'orders' and at > (select max(at) - interval '1 day' from gesta.events)`,
  );
  const variants = (paths: readonly string[]) => paths.map((path) => ({ path, headers }));
  const page = "/orders?limit=20";
  return {
    read: variants(sample.map(({ id }) => `/orders/${id}`)),
    "as of a moment": variants(sample.map(({ id, second }) => `/orders/${id}?as_of=${second}`)),
    history: variants(sample.map(({ id }) => `/orders/${id}/history`)),
    page: variants([page]),
    "page as of a recent moment": variants([`${page}&as_of=${span?.recent}`]),
    "page as of the middle": variants([`${page}&as_of=${span?.middle}`]),
  };
}

async function tellRequests(kinds: Kinds): Promise<void> {
  const names = Object.keys(kinds);
  const lone = new Map<string, number[]>(names.map((name) => [name, []]));
  const rates = new Map<string, number[]>(names.map((name) => [name, []]));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let nth = 0; nth < loneRequests; nth++) {
    for (const name of names) {
      const variant = kinds[name]?.[nth % (kinds[name]?.length ?? 1)];
      const times = lone.get(name) ?? [];
      if (variant === undefined || times.reduce((sum, time) => sum + time, 0) > loneTime) continue;
      times.push(await timed(agent, variant));
    }
  }
  agent.destroy();
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const request = { method: "GET", variants: kinds[name] ?? [], body: null, keyed: false } as const;
      const { perSecond, failed } = await load(origin, request, seconds, open);
      if (failed > 0) say(`${name}: ${failed} requests failed`);
      rates.get(name)?.push(perSecond);
    }
  }
  say(`| request | lone, ms | × | ${open} connections, per second | × |\n|---|---|---|---|---|`);
  for (const name of names) {
    const base = name.startsWith("page") ? "page" : "read";
    const [time, rate] = [median(lone.get(name)), median(rates.get(name))];
    const ratios = [time / median(lone.get(base)), median(rates.get(base)) / rate];
    say(`| ${name} | ${time.toFixed(2)} | ${ratios[0]?.toFixed(2)} | ${rate.toFixed(0)} | ${ratios[1]?.toFixed(2)} |`);
  }
}

function timed(agent: Agent, { path, headers }: Variant): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    ask(`${origin}${path}`, { agent, headers }, (reply) => {
      reply.resume();
      reply.on("end", () => {
        if (reply.statusCode === 200) resolve(performance.now() - began);
        else reject(new Error(`${path}: ${reply.statusCode}`));
      });
    }).on("error", reject);
  });
}

async function tellVerification(): Promise<void> {
  const began = performance.now();
  const said = await output(["verify"]);
  const took = (performance.now() - began) / 1000;
  const events = Number(/(\d+) events/.exec(said)?.[1] ?? 0);
  say(`\ngesta verify: ${said}; ${took.toFixed(1)} s, ${(events / took).toFixed(0)} events per second`);
}

async function tellSize(database: pg.Client): Promise<void> {
  const { rows } = await database.query<{ events: string; whole: string; ledger: string }>(
    `select count(*) as events, pg_database_size(current_database()) as whole,
            pg_total_relation_size('gesta.events') as ledger from gesta.events`,
  );
  for (const { events, whole, ledger } of rows) {
    const per = (bytes: string) => (Number(bytes) / Number(events)).toFixed(0);
    const size = (Number(whole) / 2 ** 20).toFixed(0);
    say(`${events} events, ${size} MiB: ${per(whole)} bytes per event in all, ${per(ledger)} of them its own\n`);
  }
}

function median(values: readonly number[] = []): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function output(words: readonly string[]): Promise<string> {
  const child = spawn("bin/gesta.js", words, { cwd: root, env: environment, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const part of child.stdout) text += part;
  return text.trim();
}

async function serves(child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const reply = await fetch(`${origin}/readyz`).catch(() => null);
    if (reply?.ok) return;
    await sleep(100);
  }
  throw new Error(`the application ended with ${child.exitCode} before it served`);
}
