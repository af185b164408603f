import type { Rate, Results } from "../results/results.ts";
import { shown } from "./numbers.ts";

/** What a figure must come to, and what it came to; null where it was not measured. */
export interface Goal {
  readonly name: string;
  readonly unit: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly figure: number | null;
  /** Under which circumstances, where the goal is meant for some. */
  readonly note?: string;
}

export const isMet = ({ atLeast, atMost, figure }: Goal): boolean | null =>
  figure === null ? null : figure >= (atLeast ?? figure) && figure <= (atMost ?? figure);

export const goalsOf = (results: Results): readonly Goal[] => [
  ratio(results, "get by id", "bare", 2.0),
  ratio(results, "list filtered and sorted", "bare", 1.3),
  ratio(results, "list of 100 expanded", "bare", 1.3),
  ratio(results, "create with a key", "bare", 1.5),
  ratio(results, "place an order", "drizzle", 5),
  { name: "bulk of 1,000", unit: "rows/s", atLeast: 40_000, figure: bestBulk(results) },
  { name: "bulk of 1,000 / one after another", unit: "×", atLeast: 20, figure: bulkRatio(results) },
  lone(results, "get by id"),
  lone(results, "create with a key"),
  { name: "memory under load", unit: "MB", atMost: 200, figure: results.memory?.peakMegabytes ?? null },
  growth(results, "append", "p95", 1.2),
  growth(results, "get", "p50", 1.1),
  ...pages.map((page) => growth(results, page, "p50", 1.2)),
];

const pages = ["first page", "filtered and sorted page", "page after a skip", "last page by cursor"];

export const rateOf = (rates: readonly Rate[], peer: string, connections: number): Rate | undefined =>
  rates.find((rate) => rate.peer === peer && rate.connections === connections);

/** Gesta's rate by a peer's. */
export function ratioOf(rates: readonly Rate[], peer: string, connections: number): number | null {
  const [gesta, other] = ["gesta", peer].map((name) => rateOf(rates, name, connections)?.perSecond);
  return gesta === undefined || other === undefined ? null : gesta / other;
}

const ratio = (results: Results, workload: string, peer: string, atLeast: number): Goal => ({
  ...{ name: `${workload} / ${peer === "drizzle" ? "Fastify + Drizzle" : peer}`, unit: "×", atLeast },
  figure: ratioOf(results.requests[workload]?.rates ?? [], peer, 64),
});

function bestBulk({ bulk }: Results): number | null {
  return bulk === undefined ? null : Math.max(...bulk.calls.map(({ perSecond }) => perSecond));
}

function bulkRatio(results: Results): number | null {
  const best = bestBulk(results);
  return best === null || results.bulk === undefined ? null : best / results.bulk.single;
}

function lone({ lone: figures }: Results, name: string): Goal {
  const found = figures?.requests.find((request) => request.name === name);
  const figure = found === undefined ? null : found.batched / found.unbatched;
  return { name: `lone ${name}: time with batches / without`, unit: "×", atMost: 1.1, figure };
}

/** The largest database by the smallest. */
export function growthRatio({ growth: figures }: Results, name: string, percentile: "p50" | "p95"): number | null {
  const times = figures?.databases.map(({ requests }) => requests.find((each) => each.name === name)?.[percentile]);
  const [small, large] = [times?.[0], times?.at(-1)];
  return small === undefined || large === undefined ? null : large / small;
}

function growth(results: Results, name: string, percentile: "p50" | "p95", atMost: number): Goal {
  const goal = { name: `growth: ${name}, ${percentile}`, unit: "×", atMost };
  const sizes = results.growth?.databases.map(({ events }) => shown(events)) ?? [];
  const figure = growthRatio(results, name, percentile);
  return figure === null
    ? { ...goal, figure }
    : { ...goal, figure, note: `from ${sizes[0]} to ${sizes.at(-1)} events` };
}
