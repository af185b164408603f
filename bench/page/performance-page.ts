import type { Circumstances } from "../results/circumstances.ts";
import type { Rate, RequestFigures, Results } from "../results/results.ts";
import { type Chart, goalsChart, growthChart, peerNames, rateChart } from "./charts.ts";
import { type Goal, goalsOf, isMet, rateOf } from "./goals.ts";
import { shown, table } from "./numbers.ts";

/** The page and its charts: path under `docs` → text. It follows from the results alone. */
export function performancePage(results: Results): Readonly<Record<string, string>> {
  const charts: Chart[] = [];
  const pictured = (chart: Chart | null): readonly string[] => {
    if (chart === null) return [];
    charts.push(chart);
    return [`![${chart.alternative}](${chart.file})`];
  };
  const requests = Object.entries(results.requests).flatMap(([name, figures]) => [
    `### ${capital(name)}`,
    ...(figures.rates.some(({ connections }) => connections !== figures.rates[0]?.connections)
      ? pictured(rateChart(results, name))
      : []),
    requestTable(figures),
    measuredBy(figures.measured),
  ]);
  const blocks = [
    head,
    "## Goals",
    ...pictured(goalsChart(results)),
    goalsTable(goalsOf(results)),
    ...(requests.length > 0 ? ["## Requests", peersText, ...requests] : []),
    ...bulkText(results),
    ...loneText(results),
    ...memoryText(results),
    ...growthText(results, pictured(growthChart(results))),
    ...pastText(results),
  ];
  return {
    "performance.md": `${blocks.join("\n\n")}\n`,
    ...Object.fromEntries(charts.map(({ file, svg }) => [file, svg])),
  };
}

const head = `# Performance

Written by \`npm run bench\` from [bench/results.json](../bench/results.json); not by hand. Figures of one machine and one day: **only ratios within one run mean something**, since everybody was measured in turns then. Every part keeps the date, commit and machine of the run that measured it last.

\`\`\`sh
npm ci && npm run bench                                       # all of it, some 20 minutes
BENCH_ONLY="get by id,bulk" npm run bench                     # parts; the others keep their figures
BENCH_SECONDS=1 BENCH_ROUNDS=1 npm run bench                  # a quick look
BENCH_DATABASES=postgres://…/large npm run bench -- growth past   # on a large database that is there
\`\`\`

Let the machine do nothing else meanwhile. [wrk](https://github.com/wg/wrk) makes the load where it is installed, autocannon otherwise; pgbench is left out where the server comes without it. A large database is made by \`GESTA_SEED=large\` ([configuration](configuration.md)).`;

const peersText = `All on one server and one sown database (${"`BENCH_ORDERS`"}, 10,000 orders), in processes of their own, with ten connections to PostgreSQL each; load and server share the machine.

- **Gesta**: the delivery example as it is: tokens, policies by row-level security, events with their hashes, checks. A page that it was asked for before it sends as it was where the database says at that moment that nothing of it has changed ([decision](decisions/0032-what-is-known-is-not-sent-again.md)); in \`list of 20, each another\` no page was.
- **bare**: the fastest handler that a good engineer writes by hand: \`node:http\`, named prepared statements, JSON built in SQL. No token, no policy, no event, no check; on tables of its own with the same columns, constraints and indexes.
- **Fastify + Drizzle**: what many teams write: schemas, a transaction and a row of audit for each write, the same checks of a write; reads check nothing.
- **pgbench**: the bare peer's statement alone, as many sessions as connections, ten at most: what the database can do.
- **constant reply**: \`node:http\` without a database.

Before the load each request of each is sent once: the peers' replies must be Gesta's, value by value for reads and member by member for writes.`;

const goalText = ({ atLeast, atMost, unit }: Goal): string =>
  `${atLeast === undefined ? "≤" : "≥"} ${shown(atLeast ?? atMost)} ${unit}`;

function goalsTable(goals: readonly Goal[]): string {
  const verdict = (goal: Goal) =>
    ({ true: "met", false: "**missed**", null: "not measured" })[String(isMet(goal)) as "true"];
  const rows = goals.map((goal) => [
    goal.name,
    goalText(goal),
    goal.figure === null ? "–" : `${shown(goal.figure)} ${goal.unit}`,
    [verdict(goal), ...(goal.note === undefined ? [] : [goal.note])].join(", "),
  ]);
  return table(["what", "goal", "measured", ""], rows);
}

function requestTable({ rates, pgbench = [] }: RequestFigures): string {
  const connections = [...new Set(rates.map((rate) => rate.connections))];
  const failures = rates.some(({ failed }) => failed > 0);
  const gestas = (open: number) => rateOf(rates, "gesta", open)?.perSecond;
  const by = (open: number, perSecond: number) => {
    const gesta = gestas(open);
    return gesta === undefined ? "–" : shown(gesta / perSecond);
  };
  const rows = connections.flatMap((open, nth) => [
    ...rates
      .filter((rate) => rate.connections === open)
      .map((rate) => rateCells(rate, by(open, rate.perSecond), failures)),
    ...pgbench
      .slice(nth, nth + 1)
      .map(({ perSecond }) => [
        ...[String(open), "pgbench", shown(perSecond), by(open, perSecond), "", "", ""],
        ...(failures ? [""] : []),
      ]),
  ]);
  const names = ["connections", "who", "per second", "Gesta / it", "p50, ms", "p95, ms", "p99, ms"];
  return table([...names, ...(failures ? ["failed"] : [])], rows);
}

const rateCells = (rate: Rate, ratio: string, failures: boolean): readonly string[] => [
  ...[
    String(rate.connections),
    peerNames[rate.peer] ?? rate.peer,
    shown(rate.perSecond),
    rate.peer === "gesta" ? "" : ratio,
  ],
  ...[shown(rate.p50), shown(rate.p95), shown(rate.p99)],
  ...(failures ? [rate.failed > 0 ? `**${rate.failed}**` : "0"] : []),
];

function bulkText({ bulk }: Results): readonly string[] {
  if (bulk === undefined) return [];
  const rows = [
    ["one after another", shown(bulk.single), ""],
    ...bulk.calls.map(({ atOnce, perSecond }) => [
      `${shown(bulk.rows)} in a call, ${atOnce} at once`,
      shown(perSecond),
      shown(perSecond / bulk.single),
    ]),
  ];
  return [
    ...["## Bulk", "The same drinks, each with its event."],
    table(["creations", "rows per second", "× one after another"], rows),
    measuredBy(bulk.measured),
  ];
}

function loneText({ lone }: Results): readonly string[] {
  if (lone === undefined) return [];
  const rows = lone.requests.map(({ name, batched, unbatched }) => [
    ...[name, shown(batched), shown(unbatched), shown(batched / unbatched)],
  ]);
  return [
    "## A lone request",
    "One connection, one request at a time, two applications in turns: as usual, and with `GESTA_BATCHING=off`, which sends every question by itself. Medians.",
    table(["request", "with batches, ms", "without, ms", "ratio"], rows),
    measuredBy(lone.measured),
  ];
}

function memoryText({ memory }: Results): readonly string[] {
  if (memory === undefined) return [];
  return [
    "## Memory",
    `Gesta's process had ${shown(memory.peakMegabytes)} MB in use at most (VmHWM), from its start on, through ${memory.during.length} parts of the run: ${memory.during.join(", ")}.`,
    measuredBy(memory.measured),
  ];
}

function growthText(results: Results, pictures: readonly string[]): readonly string[] {
  const { growth } = results;
  if (growth === undefined) return [];
  const [small, ...larger] = growth.databases;
  const failedOf = (name: string) =>
    growth.databases.reduce((sum, { requests }) => sum + (requests.find((each) => each.name === name)?.failed ?? 0), 0);
  const rows = (small?.requests ?? []).map(({ name, p50, p95 }) => [
    ...[`${name}${failures(failedOf(name))}`, shown(p50), shown(p95)],
    ...larger.flatMap(({ requests }) => {
      const found = requests.find((each) => each.name === name);
      if (found === undefined) return ["–", "–", "–", "–"];
      return [shown(found.p50), shown(found.p95), shown(found.p50 / p50), shown(found.p95 / p95)];
    }),
  ]);
  const sizes = growth.databases.map(({ events, orders }) => `${shown(events)} events (${shown(orders)} orders)`);
  return [
    "## Growth",
    `The same requests, in turns, to applications on databases of ${sizes.join(" and ")}, from 16 connections. An append places an order: a record in a table that has grown, and its event.`,
    ...pictures,
    table(
      [
        ...["request", `${shown(small?.events)} events: p50, ms`, "p95, ms"],
        ...larger.flatMap(({ events }) => [`${shown(events)} events: p50, ms`, "p95, ms", "p50 ×", "p95 ×"]),
      ],
      rows,
    ),
    measuredBy(growth.measured),
  ];
}

function pastText({ past }: Results): readonly string[] {
  if (past === undefined) return [];
  const of = (name: string) => past.requests.find((request) => request.name === name);
  const rows = past.requests.map(({ name, present, lone, perSecond, failed }) => {
    const base = of(present);
    const ratios = base === undefined ? ["–", "–"] : [shown(lone / base.lone), shown(base.perSecond / perSecond)];
    return [`${name}${failures(failed)}`, shown(lone), ratios[0] ?? "–", shown(perSecond), ratios[1] ?? "–"];
  });
  return [
    "## The past beside the present",
    `${shown(past.events)} events, ${shown(past.bytesPerEvent)} bytes for each in all, tables and indexes included. The same orders and pages of 20, now and as of a moment.`,
    table(["request", "lone, ms", "×", "16 connections, per second", "×"], rows),
    `\`gesta verify\`: ${past.verified.said}; ${shown(past.verified.seconds)} s, ${shown(past.events / past.verified.seconds)} events per second, the start of the process included.`,
    measuredBy(past.measured),
  ];
}

const failures = (failed: number): string => (failed > 0 ? ` (**${failed} failed**)` : "");

const measuredBy = (by: Circumstances): string =>
  `<sub>${by.date}, commit ${by.commit}; ${by.cores} cores, ${by.memoryGigabytes} GB; Node ${by.node}, PostgreSQL ${by.postgres}, ${by.tool}; ${by.rounds} rounds of ${by.seconds} s, medians.</sub>`;

const capital = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
