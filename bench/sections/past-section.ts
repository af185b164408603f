import { median } from "../figures.ts";
import { load } from "../load/load.ts";
import { loneTimes } from "../load/lone-requests.ts";
import type { Load, Variant } from "../load/request.ts";
import type { PastFigures } from "../results/results.ts";
import { say, settings } from "../settings.ts";
import { query } from "../stage/ask.ts";
import { asSown } from "../stage/callers.ts";
import { said } from "../stage/gesta-process.ts";
import { medians } from "./medians.ts";

const connections = 16;
const loneRequests = 300;
/** Milliseconds after which a kind of request has been asked often enough: pages of long ago are slow. */
const loneTime = 4_000;

/** The same orders and pages, now and in the past, in turns; then `gesta verify`. */
export async function measurePast(origin: string, databaseUrl: string): Promise<PastFigures> {
  const kinds = await kindsOf(databaseUrl);
  const names = Object.keys(kinds);
  const ask = ({ variants }: Kind) => ({
    ...{ origin, method: "GET" as const },
    variant: (nth: number) => variants[nth % variants.length] ?? { path: "/", headers: {} },
  });
  const lone = await loneTimes(
    Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, ask(kind)])),
    loneRequests,
    loneTime,
  );
  const loads = new Map(names.map((name) => [name, [] as Load[]]));
  for (let round = 0; round < settings.rounds; round++) {
    for (const [name, { variants }] of Object.entries(kinds)) {
      loads.get(name)?.push(await load(origin, { method: "GET", variants }, settings.seconds, connections));
    }
  }
  const requests = Object.entries(kinds).map(([name, { present }]) => {
    const { perSecond, failed } = medians(loads.get(name) ?? []);
    return { name, present, lone: median(lone.get(name) ?? []), perSecond, failed };
  });
  for (const { name, lone: time, perSecond } of requests)
    say(`past: ${name} ${time.toFixed(2)} ms, ${perSecond.toFixed(0)}/s`);
  return { ...(await sizeOf(databaseUrl)), requests, verified: await verified(databaseUrl) };
}

interface Kind {
  readonly variants: readonly Variant[];
  /** The name of the same question about now. */
  readonly present: string;
}

async function kindsOf(databaseUrl: string): Promise<Readonly<Record<string, Kind>>> {
  const headers = asSown("manager");
  const sample = await query(
    databaseUrl,
    `select o.id, gesta.instant(e.at) as second
       from (select id from app.orders where version > 3 order by md5(id::text) limit 200) o
       join gesta.events e on e.stream_id = o.id and e.version = 2`,
  );
  const [span] = await query(
    databaseUrl,
    `select gesta.instant(max(at) - (max(at) - min(at)) / 100) as recent,
            gesta.instant(max(at) - (max(at) - min(at)) / 2) as middle
       from gesta.events where entity = 'orders' and at > (select max(at) - interval '1 day' from gesta.events)`,
  );
  const kind = (present: string, paths: readonly string[]) => ({
    present,
    variants: paths.map((path) => ({ path, headers })),
  });
  const page = "/orders?limit=20";
  return {
    read: kind(
      "read",
      sample.map(({ id }) => `/orders/${id}`),
    ),
    "as of a moment": kind(
      "read",
      sample.map(({ id, second }) => `/orders/${id}?as_of=${second}`),
    ),
    history: kind(
      "read",
      sample.map(({ id }) => `/orders/${id}/history`),
    ),
    page: kind("page", [page]),
    "page, 1 % of the time ago": kind("page", [`${page}&as_of=${span?.recent}`]),
    "page, half of the time ago": kind("page", [`${page}&as_of=${span?.middle}`]),
  };
}

async function verified(databaseUrl: string): Promise<PastFigures["verified"]> {
  const began = performance.now();
  const told = await said(databaseUrl, ["verify"]);
  return { said: told, seconds: (performance.now() - began) / 1000 };
}

async function sizeOf(databaseUrl: string): Promise<{ readonly events: number; readonly bytesPerEvent: number }> {
  const [row] = await query(
    databaseUrl,
    "select count(*) as events, pg_database_size(current_database()) as bytes from gesta.events",
  );
  const events = Number(row?.events);
  return { events, bytesPerEvent: Math.round(Number(row?.bytes) / events) };
}
