import { median } from "../figures.ts";
import { load } from "../load/load.ts";
import { pgbenchIn, pgbenchRate } from "../load/pgbench.ts";
import type { Load } from "../load/request.ts";
import { circumstances } from "../results/circumstances.ts";
import type { Measured, Rate, RequestFigures } from "../results/results.ts";
import { say, settings } from "../settings.ts";
import { originOf, type Stage } from "../stage/stage.ts";
import { checkReplies } from "../workloads/reply-check.ts";
import type { Workload } from "../workloads/workload.ts";
import { medians } from "./medians.ts";

/** Sessions that a peer's pool has: more do not run at once. */
const poolSize = 10;
/** Each is prepared by each session first, which counts. */
const mostScripts = 10;
const warmUp = Math.min(1, settings.seconds);

/** Measures one workload: checks the replies first, then lets Gesta and its peers take turns. */
export async function measureRequests(stage: Stage, workload: Workload): Promise<Measured<RequestFigures>> {
  await checkReplies(workload, stage.scene);
  const rates: Rate[] = [];
  const pgbench: { sessions: number; perSecond: number }[] = [];
  for (const connections of workload.connections) {
    const loads = new Map(workload.peers.map((peer) => [peer, [] as Load[]]));
    const transactions: number[] = [];
    for (let round = -1; round < settings.rounds; round++) {
      const seconds = round < 0 ? warmUp : settings.seconds;
      for (const peer of workload.peers) {
        const made = await load(originOf(peer), await workload.request(peer, stage.scene), seconds, connections);
        if (round >= 0) loads.get(peer)?.push(made);
      }
      const rate = await databaseAlone(stage, workload, seconds, connections);
      if (round >= 0 && rate !== null) transactions.push(rate);
    }
    rates.push(...Array.from(loads, ([peer, made]) => ({ peer, connections, ...medians(made) })));
    if (transactions.length > 0) {
      pgbench.push({ sessions: Math.min(connections, poolSize), perSecond: median(transactions) });
    }
    say(toldOf(workload.name, connections, rates));
  }
  const measured = await circumstances(stage.databaseUrl);
  return { rates, ...(pgbench.length > 0 ? { pgbench } : {}), measured };
}

async function databaseAlone(
  { binDirectory, bareUrl, scene }: Stage,
  { scripts }: Workload,
  seconds: number,
  connections: number,
) {
  const pgbench = pgbenchIn(binDirectory);
  if (pgbench === null || scripts === undefined) return null;
  return pgbenchRate(pgbench, bareUrl, scripts(scene).slice(0, mostScripts), seconds, Math.min(connections, poolSize));
}

function toldOf(name: string, connections: number, rates: readonly Rate[]): string {
  const told = rates
    .filter((rate) => rate.connections === connections)
    .map(({ peer, perSecond, failed }) => `${peer} ${perSecond.toFixed(0)}/s${failed > 0 ? `, ${failed} FAILED` : ""}`);
  return `${name}, ${connections} connections: ${told.join("; ")}`;
}
