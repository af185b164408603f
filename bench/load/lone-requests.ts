import { Agent, request as ask } from "node:http";
import type { Variant } from "./request.ts";

/** What is asked again and again over one connection. */
export interface Lone {
  readonly origin: string;
  readonly method: "GET" | "POST";
  /** Another for each request. */
  readonly variant: (nth: number) => Variant;
}

/** Milliseconds of each request, one at a time; the kinds take turns, so that a disturbance meets all of them. */
export async function loneTimes<Name extends string>(
  kinds: Readonly<Record<Name, Lone>>,
  requests: number,
  milliseconds = 60_000,
): Promise<ReadonlyMap<Name, readonly number[]>> {
  const names = Object.keys(kinds) as Name[]; // the record's own keys
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  const agents = new Map(names.map((name) => [name, new Agent({ keepAlive: true, maxSockets: 1 })]));
  const spent = new Map<Name, number>();
  for (let nth = 0; nth < requests; nth++) {
    for (const name of nth % 2 === 0 ? names : names.toReversed()) {
      if ((spent.get(name) ?? 0) > milliseconds) continue;
      const time = await timed(kinds[name], nth, agents.get(name));
      spent.set(name, (spent.get(name) ?? 0) + time);
      times.get(name)?.push(time);
    }
  }
  for (const agent of agents.values()) agent.destroy();
  return times;
}

function timed({ origin, method, variant }: Lone, nth: number, agent: Agent | undefined): Promise<number> {
  const { path, headers, body = "" } = variant(nth);
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const length = method === "GET" ? {} : { "content-length": Buffer.byteLength(body) };
    const sent = ask(
      `${origin}${path}`,
      { method, headers: { ...headers, ...length }, ...(agent ? { agent } : {}) },
      (reply) => {
        reply.resume();
        reply.on("end", () => {
          if ((reply.statusCode ?? 500) < 400) resolve(performance.now() - began);
          else reject(new Error(`${path}: ${reply.statusCode}`));
        });
      },
    );
    sent.on("error", reject);
    sent.end(method === "GET" ? undefined : body);
  });
}
