import { execFileSync, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import autocannon from "autocannon";

export interface Variant {
  readonly path: string;
  /** The same for the peers, where it differs. */
  readonly peerPath?: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Request {
  readonly method: "GET" | "POST";
  /** Sent in turn: other records, other callers. */
  readonly variants: readonly Variant[];
  readonly body: string | null;
  /** Whether each request carries an `Idempotency-Key` of its own. */
  readonly keyed: boolean;
}

export interface Load {
  readonly perSecond: number;
  readonly failed: number;
}

export const connections = 64;
const hasWrk = spawnSync("wrk", ["-v"]).error === undefined;
export const tool = hasWrk ? "wrk" : "autocannon";

/** Sends the variants of a request in turn from so many connections for so many seconds. */
export const load = (origin: string, request: Request, seconds: number, open = connections): Promise<Load> =>
  hasWrk ? Promise.resolve(byWrk(origin, request, seconds, open)) : byAutocannon(origin, request, seconds, open);

function byWrk(origin: string, request: Request, seconds: number, open: number): Load {
  const script = join(mkdtempSync(join(tmpdir(), "gesta-bench-")), "request.lua");
  writeFileSync(script, luaOf(request));
  const words = ["-t1", `-c${open}`, `-d${seconds}s`, "-s", script, origin];
  const said = execFileSync("wrk", words, { encoding: "utf8" });
  const number = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? 0);
  return {
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    failed: number(/Non-2xx or 3xx responses: (\d+)/) + number(/timeout (\d+)/),
  };
}

/** The script that wrk runs: requests without a key of their own are put together once, before the clock starts. */
function luaOf({ method, variants, body, keyed }: Request): string {
  const text = (value: string) => JSON.stringify(value);
  const headers = (variant: Variant) =>
    Object.entries(variant.headers)
      .map(([name, value]) => `[${text(name)}] = ${text(value)}`)
      .join(", ");
  const format = (path: string, fields: string) =>
    `wrk.format(${text(method)}, ${path}, ${fields}${body === null ? "" : `, ${text(body)}`})`;
  return `local variants = {
${variants.map((variant) => `  { ${text(variant.path)}, { ${headers(variant)} } }`).join(",\n")}
}
local made, n = {}, 0
function init()
  for i, variant in ipairs(variants) do made[i] = ${format("variant[1]", "variant[2]")} end
end
function request()
  n = n + 1
  local at = (n - 1) % #variants + 1
${
  keyed
    ? `  variants[at][2]["idempotency-key"] = "${randomUUID()}-" .. n
  return ${format("variants[at][1]", "variants[at][2]")}`
    : "  return made[at]"
}
end
`;
}

async function byAutocannon(origin: string, request: Request, seconds: number, open: number): Promise<Load> {
  const result = await autocannon({
    url: origin,
    requests: request.variants.map(({ path, headers }) => ({
      method: request.method,
      path,
      headers: { ...headers },
      ...(request.body === null ? {} : { body: request.body }),
      setupRequest: (sent: autocannon.Request) =>
        request.keyed ? { ...sent, headers: { ...sent.headers, "idempotency-key": randomUUID() } } : sent,
    })),
    connections: open,
    duration: seconds,
  });
  return { perSecond: result.requests.average, failed: result.non2xx + result.errors };
}
