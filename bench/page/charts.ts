import type { Results } from "../results/results.ts";
import { type BarChart, barChart } from "./bar-chart.ts";
import { type Goal, goalsOf, growthRatio, isMet } from "./goals.ts";
import { shown } from "./numbers.ts";

export const peerNames: Readonly<Record<string, string>> = {
  gesta: "Gesta",
  bare: "bare",
  drizzle: "Fastify + Drizzle",
  constant: "constant reply",
  pgbench: "pgbench",
};

/** A picture, and its text for whoever does not see it. */
export interface Chart {
  readonly file: string;
  readonly alternative: string;
  readonly svg: string;
}

const chartOf = (file: string, chart: BarChart): Chart => ({
  file: `performance/${file}.svg`,
  alternative: `${chart.title}. ${chart.description}`,
  svg: barChart(chart),
});

/** Goals in multiples of a peer's rate, with what was measured. */
export function goalsChart(results: Results): Chart | null {
  const goals = goalsOf(results).filter(
    ({ unit, atLeast, figure }) => unit === "×" && atLeast !== undefined && figure !== null,
  );
  if (goals.length === 0) return null;
  const told = (goal: Goal) => `${goal.name}: ${shown(goal.figure)} ×, goal ${shown(goal.atLeast)} ×`;
  return chartOf("goals", {
    title: "Measured (bar) and goal (line), by part of the goal",
    description: `${goals.map(told).join("; ")}.`,
    groups: goals.map((goal) => ({
      name: goal.name,
      // Each in its own measure: what counts is the way to the line.
      bars: [
        {
          series: "measured",
          value: (goal.figure ?? 0) / (goal.atLeast ?? 1),
          label: `${shown(goal.figure)} × ${isMet(goal) ? "met" : "missed"}`,
        },
      ],
      goal: 1,
    })),
  });
}

/** Requests per second of all who take part, by the number of connections. */
export function rateChart(results: Results, workload: string): Chart | null {
  const { rates = [], pgbench = [] } = results.requests[workload] ?? {};
  const connections = [...new Set(rates.map((rate) => rate.connections))];
  const groups = connections.map((open) => ({
    name: `${open} connection${open === 1 ? "" : "s"}`,
    bars: [
      ...rates
        .filter((rate) => rate.connections === open)
        .map(({ peer, perSecond }) => ({ series: peerNames[peer] ?? peer, value: perSecond, label: shown(perSecond) })),
      ...pgbench
        .filter((_, nth) => connections[nth] === open)
        .map(({ perSecond }) => ({ series: "pgbench", value: perSecond, label: shown(perSecond) })),
    ],
  }));
  if (groups.length === 0) return null;
  const told = groups.map(
    ({ name, bars }) => `${name}: ${bars.map(({ series, label }) => `${series} ${label}`).join(", ")}`,
  );
  return chartOf(workload.replaceAll(" ", "-"), {
    ...{ title: `${workload}: requests per second`, description: `${told.join("; ")}.`, groups },
  });
}

/** Times on the largest database by those on the smallest. */
export function growthChart(results: Results): Chart | null {
  const names = results.growth?.databases[0]?.requests.map(({ name }) => name) ?? [];
  const groups = names.map((name) => ({
    name,
    bars: (["p50", "p95"] as const).map((percentile) => {
      const value = growthRatio(results, name, percentile) ?? 0;
      return { series: percentile, value, label: `${shown(value)} ×` };
    }),
    goal: 1,
  }));
  if (groups.length === 0) return null;
  const told = groups.map(
    ({ name, bars }) => `${name}: ${bars.map(({ series, label }) => `${series} ${label}`).join(", ")}`,
  );
  return chartOf("growth", {
    title: "Times on the largest database, by those on the smallest",
    ...{ description: `${told.join("; ")}. The line is where size does not matter.`, groups },
  });
}
