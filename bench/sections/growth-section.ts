import { startPostgres } from "gesta/testing";
import { load } from "../load/load.ts";
import type { Load, Request, Variant } from "../load/request.ts";
import { circumstances } from "../results/circumstances.ts";
import type { GrowthFigures, Measured } from "../results/results.ts";
import { say, settings } from "../settings.ts";
import { ask, query } from "../stage/ask.ts";
import { asSown, inJson } from "../stage/callers.ts";
import { type GestaProcess, sow, startGesta } from "../stage/gesta-process.ts";
import { sparePort } from "../stage/stage.ts";
import { medians } from "./medians.ts";

/** With the restaurants, menus and people of the seed some sixteen thousand events; less makes no deep page. */
const smallOrders = 1_000;
const connections = 16;
/** Ports of the applications that run at once, one for each database. */
const firstPort = 5601;

/**
 * The same requests on databases of other sizes, each with an application of its own, in turns. The databases are
 * those of BENCH_DATABASES; where it names less than two, a small one is sown beside the first.
 */
export async function measureGrowth(): Promise<Measured<GrowthFigures>> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const urls = await databases(stops);
    const sides: Side[] = [];
    for (const [nth, url] of urls.entries()) {
      const application = await startGesta(url, firstPort + nth, { GESTA_SEED: "none" });
      stops.push(application.stop);
      sides.push({ url, application, ...(await sizeOf(url)) });
    }
    sides.sort((one, other) => one.events - other.events);
    const [small] = sides;
    if (small === undefined) throw new Error("no database to measure on");
    const requests = await Promise.all(sides.map((side) => requestsOf(side, small)));
    const loads = sides.map(() => new Map<string, Load[]>());
    for (let round = -1; round < settings.rounds; round++) {
      for (const name of Object.keys(requests[0] ?? {})) {
        for (const [nth, { application }] of sides.entries()) {
          const request = requests[nth]?.[name];
          if (request === undefined) continue;
          const made = await load(application.origin, request, round < 0 ? 1 : settings.seconds, connections);
          if (round >= 0) loads[nth]?.set(name, [...(loads[nth]?.get(name) ?? []), made]);
        }
      }
    }
    const measured = sides.map(({ events, orders }, nth) => ({
      ...{ events, orders },
      requests: Array.from(loads[nth] ?? [], ([name, made]) => ({ name, ...medians(made) })),
    }));
    for (const { events, requests: figures } of measured) {
      say(
        `${events} events: ${figures.map(({ name, p50, p95 }) => `${name} ${p50.toFixed(2)}/${p95.toFixed(2)} ms`).join(", ")}`,
      );
    }
    return { databases: measured, measured: await circumstances(small.url) };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

interface Side {
  readonly url: string;
  readonly application: GestaProcess;
  readonly events: number;
  readonly orders: number;
}

async function databases(stops: (() => Promise<unknown>)[]): Promise<readonly string[]> {
  const [given, ...others] = settings.databases;
  if (others.length > 0) return settings.databases;
  if (given !== undefined) {
    // On the server of the large one, whose settings count for both.
    await query(given, "create database gesta_bench_small");
    stops.push(() => query(given, "drop database gesta_bench_small with (force)"));
    const small = new URL(given);
    small.pathname = "/gesta_bench_small";
    await sown(small.href, smallOrders);
    return [small.href, given];
  }
  const server = await startPostgres({ shared_buffers: "512MB" });
  stops.push(() => server.stop());
  const sizes = { small: smallOrders, large: Math.max(settings.orders, smallOrders) };
  for (const [name, orders] of Object.entries(sizes)) {
    await query(server.url(), `create database ${name}`);
    await sown(server.url(name), orders);
  }
  return Object.keys(sizes).map((name) => server.url(name));
}

async function sown(url: string, orders: number): Promise<void> {
  say(`sowing ${orders} orders`);
  await sow(url, sparePort, orders);
  await query(url, "vacuum analyze");
}

async function sizeOf(url: string): Promise<{ readonly events: number; readonly orders: number }> {
  const [row] = await query(
    url,
    "select (select count(*) from gesta.events) as events, (select count(*) from app.orders) as orders",
  );
  return { events: Number(row?.events), orders: Number(row?.orders) };
}

/** What both sides are asked: of each its own records, and as many of them. */
async function requestsOf(
  { url, application: { origin } }: Side,
  small: Side,
): Promise<Readonly<Record<string, Request>>> {
  const readers = ["manager", "logistician", "admin"].map(asSown);
  const reading = (paths: readonly string[]): Request => ({
    method: "GET",
    variants: paths.flatMap((path) => readers.map((headers): Variant => ({ path, headers }))),
  });
  const sample = await query(
    url,
    `select o.id, gesta.instant(e.at) as second
       from (select id from app.orders where version > 3 order by md5(id::text) limit 200) o
       join gesta.events e on e.stream_id = o.id and e.version = 2`,
  );
  const { menu_items } = await ask(`${origin}/menu_items?limit=1&available=true`);
  const [{ id: menu_item_id, restaurant_id }] = menu_items;
  const placing: Variant = {
    path: "/orders",
    headers: { ...asSown("customer1"), ...inJson },
    body: JSON.stringify({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] }),
  };
  const fifty = Array.from({ length: 50 }, (_, nth) => nth);
  const deepest = Math.min(10_000, small.orders - 100);
  return {
    append: { method: "POST", variants: [placing] },
    get: reading(sample.map(({ id }) => `/orders/${id}`)),
    "first page": reading(fifty.map((nth) => `/orders?limit=20&skip=${nth}`)),
    "filtered and sorted page": reading(
      ["delivered", "on_way", "cooking", "accepted", "cancelled"].flatMap((status) =>
        [19, 20, 21].map((limit) => `/orders?status=${status}&sort=-created_at&limit=${limit}`),
      ),
    ),
    "page after a skip": reading(fifty.map((nth) => `/orders?limit=20&skip=${deepest - nth}`)),
    "last page by cursor": reading([`/orders?limit=20&cursor=${await lastCursor(origin)}`]),
    "as of a moment": reading(sample.map(({ id, second }) => `/orders/${id}?as_of=${second}`)),
  };
}

/** The cursor of the last page: it is reached from page to page. */
async function lastCursor(origin: string): Promise<string> {
  let [last, before] = ["", ""];
  for (let next: string | null = ""; next !== null; ) {
    const { page } = await ask(
      `${origin}/orders?fields=id&limit=1000${next === "" ? "" : `&cursor=${next}`}`,
      asSown("manager"),
    );
    [before, last] = [last, next];
    next = page.next;
  }
  return last === "" ? before : last;
}
