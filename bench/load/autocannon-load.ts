import { randomUUID } from "node:crypto";
import autocannon from "autocannon";
import { percentile } from "../figures.ts";
import type { Load, Request, Variant } from "./request.ts";

/** Where wrk is not installed. It takes more of the processor itself, so ratios come out nearer to one. */
export async function autocannonLoad(
  origin: string,
  { method, variants, keyed, laned }: Request,
  seconds: number,
  connections: number,
): Promise<Load> {
  const sent = ({ path, headers, body }: Variant): autocannon.Request => ({
    ...{ method, path, headers: { ...headers } },
    ...(body === undefined ? {} : { body }),
    setupRequest: (request) =>
      keyed ? { ...request, headers: { ...request.headers, "idempotency-key": randomUUID() } } : request,
  });
  let lane = 0;
  const times: number[] = [];
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        ...{ url: origin, connections, duration: seconds, requests: variants.map(sent) },
        setupClient: (client) => {
          if (!laned) return;
          const first = (lane++ * 2) % variants.length;
          client.setRequests(variants.slice(first, first + 2).map(sent));
        },
      },
      (error, ended) => (error ? reject(error) : resolve(ended)),
    );
    instance.on("response", (_client, _status, _bytes, milliseconds) => times.push(milliseconds));
  });
  const at = (percent: number) => percentile(times, percent);
  const failed = result["4xx"] + result["5xx"] + result.errors;
  return { perSecond: result.requests.total / result.duration, p50: at(50), p95: at(95), p99: at(99), failed };
}
