import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { performancePage } from "../page/performance-page.ts";
import { place } from "../settings.ts";
import { noResults, type Results } from "./results.ts";

const path = join(place, "bench", "results.json");

// The file is what `keep` wrote.
const known = (): Results => (existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Results) : noResults);

/** Adds what was measured to what is known, at once: a run that is cut off has lost only what it was at. */
export function keep(measured: Partial<Results>): void {
  const before = known();
  const results = { ...before, ...measured, requests: { ...before.requests, ...measured.requests } };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(results, rounded, 2)}\n`);
}

/** Four digits tell all that a measurement knows. */
const rounded = (_name: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;

/** Writes the page and its charts from what is known. */
export function writePage(): void {
  for (const [file, text] of Object.entries(performancePage(known()))) {
    const target = join(place, "docs", file);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}
