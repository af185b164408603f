import { circumstances } from "./results/circumstances.ts";
import type { Results } from "./results/results.ts";
import { keep, writePage } from "./results/results-file.ts";
import { measureBulk } from "./sections/bulk-section.ts";
import { measureGrowth } from "./sections/growth-section.ts";
import { measureLone } from "./sections/lone-section.ts";
import { measurePast } from "./sections/past-section.ts";
import { measureRequests } from "./sections/requests-section.ts";
import { isWanted, only, say, settings } from "./settings.ts";
import { startGesta } from "./stage/gesta-process.ts";
import { type Stage, setStage, sparePort } from "./stage/stage.ts";
import { workloads } from "./workloads/every-workload.ts";

/**
 * Measures Gesta beside its peers, or what BENCH_ONLY or the command line names of it, and writes figures and page.
 * `page` writes the page alone.
 */
const chosen = workloads.filter(({ name }) => isWanted(name));
/** The past is looked at in the largest database that is given. */
const large = settings.databases.at(-1);
const onStage = ["bulk", "lone", ...(large === undefined ? ["past"] : [])].filter(isWanted);
const known = [...workloads.map(({ name }) => name), "bulk", "lone", "past", "memory", "growth", "page"];
const unknown = only?.filter((name) => !known.includes(name)) ?? [];
if (unknown.length > 0) throw new Error(`nothing is called ${unknown.join(", ")}: use ${known.join(", ")}`);

let failed = 0;
const count = (loads: readonly { readonly failed: number }[]) => {
  failed += loads.reduce((sum, load) => sum + load.failed, 0);
};
if (chosen.length > 0 || onStage.length > 0) {
  const stage = await setStage();
  try {
    await measureOnStage(stage);
  } finally {
    await stage.stop();
  }
}
if (isWanted("past") && large !== undefined) {
  const application = await startGesta(large, sparePort, { GESTA_SEED: "none" });
  try {
    await keepPast(application.origin, large);
  } finally {
    await application.stop();
  }
}
if (isWanted("growth")) {
  const growth = await measureGrowth();
  count(growth.databases.flatMap(({ requests }) => requests));
  keep({ growth });
}
writePage();
say(failed === 0 ? "docs/performance.md is written" : `${failed} requests failed: see docs/performance.md`);
process.exitCode = failed === 0 ? 0 : 1;

async function measureOnStage(stage: Stage): Promise<void> {
  const { databaseUrl, gesta } = stage;
  for (const workload of chosen) {
    const figures = await measureRequests(stage, workload);
    count(figures.rates);
    keep({ requests: { [workload.name]: figures } });
  }
  if (isWanted("bulk")) await keepOf("bulk", databaseUrl, await measureBulk(gesta.origin));
  const peakMegabytes = gesta.peakMemory();
  if (isWanted("memory") && chosen.length > 0 && peakMegabytes !== null) {
    const during = [...chosen.map(({ name }) => name), ...(isWanted("bulk") ? ["bulk"] : [])];
    await keepOf("memory", databaseUrl, { peakMegabytes, during });
    say(`memory: ${peakMegabytes.toFixed(0)} MB at most`);
  }
  if (isWanted("lone")) await keepOf("lone", databaseUrl, await measureLone(stage));
  if (isWanted("past") && large === undefined) await keepPast(gesta.origin, databaseUrl);
}

async function keepPast(origin: string, databaseUrl: string): Promise<void> {
  const past = await measurePast(origin, databaseUrl);
  count(past.requests);
  await keepOf("past", databaseUrl, past);
}

async function keepOf<Name extends "bulk" | "lone" | "past" | "memory">(
  name: Name,
  databaseUrl: string,
  figures: Omit<NonNullable<Results[Name]>, "measured">,
): Promise<void> {
  keep({ [name]: { ...figures, measured: await circumstances(databaseUrl) } });
}
