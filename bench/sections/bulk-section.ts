import { median } from "../figures.ts";
import type { BulkFigures } from "../results/results.ts";
import { say, settings } from "../settings.ts";
import { inJson } from "../stage/callers.ts";

const rows = 1000;
const drink = (nth: number) => ({ name: `drink ${nth}`, price: nth % 100 });

interface Kind {
  readonly path: string;
  readonly body: string;
  readonly rows: number;
  readonly atOnce: number;
}

const single: Kind = { path: "/drinks", body: JSON.stringify(drink(1)), rows: 1, atOnce: 1 };
const many = JSON.stringify({ items: Array.from({ length: rows }, (_, nth) => drink(nth)) });
const calls: readonly Kind[] = [1, 2, 3].map((atOnce) => ({ path: "/drinks/bulk", body: many, rows, atOnce }));

/** Creations by the thousand beside the same ones sent one request after another, in turns. */
export async function measureBulk(origin: string): Promise<BulkFigures> {
  const rates = new Map([single, ...calls].map((kind) => [kind, [] as number[]]));
  for (let round = -1; round < settings.rounds; round++) {
    for (const [kind, made] of rates) {
      const rate = await rowsPerSecond(origin, kind, round < 0 ? settings.seconds / 3 : settings.seconds);
      if (round >= 0) made.push(rate);
    }
  }
  const of = (kind: Kind) => median(rates.get(kind) ?? []);
  const figures = {
    rows,
    single: of(single),
    calls: calls.map((kind) => ({ atOnce: kind.atOnce, perSecond: of(kind) })),
  };
  say(
    `bulk: ${figures.calls.map(({ perSecond }) => perSecond.toFixed(0)).join(", ")} rows/s; single ${figures.single.toFixed(0)}/s`,
  );
  return figures;
}

/** Rows that were stored in a second, so many calls under way at a time. @throws Error for a reply that is no success */
async function rowsPerSecond(origin: string, kind: Kind, seconds: number): Promise<number> {
  const began = performance.now();
  let stored = 0;
  const lane = async () => {
    do {
      const reply = await fetch(`${origin}${kind.path}`, { method: "POST", headers: inJson, body: kind.body });
      const text = await reply.text();
      if (!reply.ok) throw new Error(`${kind.path}: ${reply.status} ${text.slice(0, 200)}`);
      stored += kind.rows;
    } while (performance.now() - began < seconds * 1000);
  };
  await Promise.all(Array.from({ length: kind.atOnce }, lane));
  return stored / ((performance.now() - began) / 1000);
}
