import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { goalsOf, isMet } from "../../bench/page/goals.ts";
import { performancePage } from "../../bench/page/performance-page.ts";
import { noResults, type Results } from "../../bench/results/results.ts";
import { tableRows } from "../support/markdown-table.ts";
import { repositoryRoot } from "../support/source-tree.ts";

const measured = {
  ...{ date: "2026-01-02", commit: "abcdef012", cores: 2, memoryGigabytes: 8, node: "20.19.0", postgres: "15.1" },
  ...{ tool: "wrk 4.1.0", seconds: 1, rounds: 1 },
};
const rate = (peer: string, connections: number, perSecond: number, failed = 0) => ({
  ...{ peer, connections, perSecond, p50: 1, p95: 2, p99: 3, failed },
});
const times = (p50: number, p95: number) => ({ perSecond: 1, p50, p95, p99: p95, failed: 0 });

const results: Results = {
  requests: {
    "get by id": {
      measured,
      rates: [
        ...[rate("gesta", 1, 900), rate("bare", 1, 1000), rate("gesta", 64, 20_000), rate("bare", 64, 10_000)],
        ...[rate("constant", 64, 40_000)],
      ],
      pgbench: [
        { sessions: 1, perSecond: 9000 },
        { sessions: 10, perSecond: 30_000 },
      ],
    },
    "place an order": { measured, rates: [rate("gesta", 64, 499), rate("drizzle", 64, 100, 7)] },
  },
  bulk: { measured, rows: 1000, single: 1000, calls: [{ atOnce: 2, perSecond: 39_000 }] },
  lone: { measured, requests: [{ name: "get by id", batched: 1.1, unbatched: 1 }] },
  memory: { measured, peakMegabytes: 201, during: ["get by id", "bulk"] },
  past: {
    measured: { ...measured, date: "2025-12-31" },
    ...{ events: 1000, bytesPerEvent: 900 },
    requests: [
      { name: "read", present: "read", lone: 1, perSecond: 100, failed: 0 },
      { name: "as of a moment", present: "read", lone: 2, perSecond: 40, failed: 3 },
    ],
    verified: { said: "1000 events, no findings", seconds: 0.5 },
  },
  growth: {
    measured,
    databases: [
      {
        events: 10_000,
        orders: 2400,
        requests: [
          { name: "append", ...times(1, 2) },
          { name: "get", ...times(1, 2) },
        ],
      },
      {
        ...{ events: 10_000_000, orders: 2_400_000 },
        requests: [
          { name: "append", ...times(9, 2.4) },
          { name: "get", ...times(1.2, 2) },
        ],
      },
    ],
  },
};

describe("the goals", () => {
  const verdicts = new Map(goalsOf(results).map((goal) => [goal.name, { figure: goal.figure, met: isMet(goal) }]));

  it.each([
    ["get by id / bare", 2, true],
    ["place an order / Fastify + Drizzle", 4.99, false],
    ["bulk of 1,000", 39_000, false],
    ["bulk of 1,000 / one after another", 39, true],
    ["lone get by id: time with batches / without", 1.1, true],
    ["memory under load", 201, false],
    ["growth: append, p95", 1.2, true],
    ["growth: get, p50", 1.2, false],
    ["create with a key / bare", null, null],
    ["growth: first page, p50", null, null],
  ])("%s: %s, met: %s", (name, figure, met) => {
    expect(verdicts.get(name)).toEqual({ figure, met });
  });
});

describe("the page", () => {
  const files = performancePage(results);
  const page = files["performance.md"] ?? "";

  it("tells of each goal whether it is met, missed or not measured", () => {
    const rows = tableRows(page, ["what", "goal", "measured", ""]);
    expect(rows).toContainEqual(["get by id / bare", "≥ 2.00 ×", "2.00 ×", "met"]);
    expect(rows).toContainEqual(["memory under load", "≤ 200 MB", "201 MB", "**missed**"]);
    expect(rows).toContainEqual([
      ...["growth: append, p95", "≤ 1.20 ×", "1.20 ×"],
      "met, from 10,000 to 10,000,000 events",
    ]);
    expect(rows).toContainEqual(["create with a key / bare", "≥ 1.50 ×", "–", "not measured"]);
    expect(rows.length).toBe(goalsOf(results).length);
  });

  it("shows rates beside each other, with their ratio and what failed", () => {
    expect(page).toContain("| 64 | bare | 10,000 | 2.00 | 1.00 | 2.00 | 3.00 |");
    expect(page).toContain("| 64 | pgbench | 30,000 | 0.67 |  |  |  |");
    expect(page).toContain("| 64 | constant reply | 40,000 | 0.50 | 1.00 | 2.00 | 3.00 |");
    expect(page).toContain("| 64 | Fastify + Drizzle | 100 | 4.99 | 1.00 | 2.00 | 3.00 | **7** |");
    expect(page).toContain("| as of a moment (**3 failed**) | 2.00 | 2.00 | 40.0 | 2.50 |");
  });

  it("keeps the circumstances of each part", () => {
    const told = page.match(/<sub>.*<\/sub>/g) ?? [];
    expect(told.length).toBe(7);
    expect(told.filter((line) => line.startsWith("<sub>2025-12-31, commit abcdef012; 2 cores, 8 GB;")).length).toBe(1);
  });

  it("shows every chart that it has, each with a text in its place", () => {
    const shown = [...page.matchAll(/!\[(.+)\]\((.+)\)/g)].map(([, text = "", file]) => ({ text, file }));
    const charts = Object.keys(files).filter((file) => file.endsWith(".svg"));
    expect(shown.map(({ file }) => file).sort()).toEqual(charts.sort());
    expect(charts).toEqual(["performance/get-by-id.svg", "performance/goals.svg", "performance/growth.svg"]);
    for (const { text } of shown) expect(text.length).toBeGreaterThan(40);
  });

  it.each(Object.keys(files).filter((file) => file.endsWith(".svg")))("%s stands for itself", (file) => {
    const svg = files[file] ?? "";
    expect(svg).toMatch(
      /<svg [^>]*role="img" aria-labelledby="title desc">\n<title id="title">[^<]+<\/title>\n<desc id="desc">[^<]+<\/desc>/,
    );
    expect(svg).toContain("@media (prefers-color-scheme: dark)");
    expect(svg).not.toMatch(/NaN|undefined|href|<script/);
    const opened = svg.match(/<[a-z]+[^>]*[^/]>/g)?.length;
    expect(svg.match(/<\/[a-z]+>/g)?.length).toBe(opened);
  });

  it("of nothing measured says so", () => {
    const { "performance.md": empty = "", ...charts } = performancePage(noResults);
    expect(charts).toEqual({});
    expect(empty.match(/not measured/g)?.length).toBe(goalsOf(noResults).length);
  });
});

test("docs/performance.md and its charts are what bench/results.json gives", () => {
  const kept = JSON.parse(readFileSync(join(repositoryRoot, "bench", "results.json"), "utf8"));
  for (const [file, text] of Object.entries(performancePage(kept))) {
    const path = join(repositoryRoot, "docs", file);
    expect(existsSync(path), `${file}: npm run bench -- page`).toBe(true);
    expect(readFileSync(path, "utf8"), `${file}: npm run bench -- page`).toBe(text);
  }
});
