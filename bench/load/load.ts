import { spawnSync } from "node:child_process";
import { autocannonLoad } from "./autocannon-load.ts";
import type { Load, Request } from "./request.ts";
import { wrkLoad } from "./wrk-load.ts";

const wrk = spawnSync("wrk", ["-v"], { encoding: "utf8" });
const hasWrk = wrk.error === undefined;

/** What makes the load, with its version where it tells one. */
export const tool = hasWrk ? (/wrk \S+/.exec(`${wrk.stdout}${wrk.stderr}`)?.[0] ?? "wrk") : "autocannon";

/** Sends the variants of a request in turn from so many connections for so many seconds. */
export const load = (origin: string, request: Request, seconds: number, connections: number): Promise<Load> =>
  (hasWrk ? wrkLoad : autocannonLoad)(origin, request, seconds, connections);
