import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import autocannon from "autocannon";

export interface Request {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface Load {
  readonly perSecond: number;
  readonly failed: number;
}

export const connections = 64;
const hasWrk = spawnSync("wrk", ["-v"]).error === undefined;
export const tool = hasWrk ? "wrk" : "autocannon";

/** Sends one request over and over from 64 connections for so many seconds. */
export const load = (origin: string, request: Request, seconds: number): Promise<Load> =>
  hasWrk ? Promise.resolve(byWrk(origin, request, seconds)) : byAutocannon(origin, request, seconds);

function byWrk(origin: string, request: Request, seconds: number): Load {
  const script = join(mkdtempSync(join(tmpdir(), "gesta-bench-")), "request.lua");
  const lines = [
    `wrk.method = ${JSON.stringify(request.method)}`,
    ...Object.entries(request.headers).map(
      ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
    ),
    ...(request.body === null ? [] : [`wrk.body = ${JSON.stringify(request.body)}`]),
  ];
  writeFileSync(script, lines.join("\n"));
  const words = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, `${origin}${request.path}`];
  const said = execFileSync("wrk", words, { encoding: "utf8" });
  const number = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? 0);
  return {
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    failed: number(/Non-2xx or 3xx responses: (\d+)/) + number(/timeout (\d+)/),
  };
}

async function byAutocannon(origin: string, request: Request, seconds: number): Promise<Load> {
  const result = await autocannon({
    url: `${origin}${request.path}`,
    method: request.method,
    headers: { ...request.headers },
    ...(request.body === null ? {} : { body: request.body }),
    connections,
    duration: seconds,
  });
  return { perSecond: result.requests.average, failed: result.non2xx + result.errors };
}
