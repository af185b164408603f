import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Load, Request, Variant } from "./request.ts";

const run = promisify(execFile);

/** A connection that has its own requests is a thread of wrk's: its scripts know of threads alone. */
export async function wrkLoad(origin: string, request: Request, seconds: number, connections: number): Promise<Load> {
  const directory = mkdtempSync(join(tmpdir(), "gesta-bench-"));
  try {
    const script = join(directory, "request.lua");
    writeFileSync(script, luaOf(request));
    const threads = request.laned ? connections : 1;
    const length = Math.max(1, Math.round(seconds));
    const words = [`-t${threads}`, `-c${connections}`, `-d${length}s`, "--timeout", "10s", "-s", script, origin];
    const { stdout } = await run("wrk", words);
    return loadIn(stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Reads what the script's `done` printed. */
export function loadIn(said: string): Load {
  const told = /^gesta-bench (\{.*\})$/m.exec(said)?.[1];
  if (told === undefined) throw new Error(`wrk did not finish:\n${said}`);
  const { requests, microseconds, p50, p95, p99, failed } = JSON.parse(told);
  return { perSecond: (requests * 1e6) / microseconds, p50: p50 / 1000, p95: p95 / 1000, p99: p99 / 1000, failed };
}

const text = (value: string): string => `"${value.replaceAll(/["\\]/g, "\\$&")}"`;

const variantOf = ({ path, headers, body }: Variant): string => {
  const fields = Object.entries(headers).map(([name, value]) => `[${text(name)}] = ${text(value)}`);
  return `{ ${text(path)}, { ${fields.join(", ")} }, ${body === undefined ? "nil" : text(body)} }`;
};

/** Requests without a key of their own are put together once, before the clock starts. */
function luaOf({ method, variants, keyed, laned }: Request): string {
  const format = `wrk.format(${text(method)}, variant[1], variant[2], variant[3])`;
  const next = laned
    ? "variants[((lane * 2 + n % 2) % #variants) + 1], ((lane * 2 + n % 2) % #variants) + 1"
    : "variants[n % #variants + 1], n % #variants + 1";
  return `local variants = {
${variants.map((variant) => `  ${variantOf(variant)}`).join(",\n")}
}
local made, n, lanes = {}, -1, 0
function setup(thread)
  thread:set("lane", lanes)
  lanes = lanes + 1
end
function init()
  -- wrk asks its first thread for a request that it does not send.
  if lane == 0 then n = -2 end
  for i, variant in ipairs(variants) do made[i] = ${format} end
end
function request()
  n = n + 1
  local variant, at = ${next}
${
  keyed
    ? `  variant[2]["idempotency-key"] = "${randomUUID()}-" .. lane .. "-" .. n
  return ${format}`
    : "  return made[at]"
}
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\ngesta-bench {"requests":%d,"microseconds":%d,"p50":%d,"p95":%d,"p99":%d,"failed":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;
}
