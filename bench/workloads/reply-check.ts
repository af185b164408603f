import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Request, Variant } from "../load/request.ts";
import type { Scene } from "../stage/scene.ts";
import { originOf } from "../stage/stage.ts";
import type { Workload } from "./workload.ts";

/**
 * Sends a workload's requests once to each peer: all must be answered with the status that is expected, and the peers
 * with what Gesta answers. A peer that answers less would be measured at doing less.
 * @throws Error with the first reply that is not
 */
export async function checkReplies(workload: Workload, scene: Scene): Promise<void> {
  const alike = workload.alike === "values" ? valuesOf : membersOf;
  let first: readonly unknown[] | undefined;
  for (const peer of workload.peers) {
    const request = await workload.request(peer, scene);
    const replies: unknown[] = [];
    for (const variant of request.variants) replies.push(await reply(originOf(peer), request, variant, workload));
    // What it says does not matter: it is there for how fast it is said.
    if (peer === "constant") continue;
    const different = (first ?? []).findIndex(
      (expected, nth) => !isDeepStrictEqual(alike(expected), alike(replies[nth])),
    );
    if (different >= 0) {
      const told = JSON.stringify({ gesta: first?.[different], [peer]: replies[different] }).slice(0, 2000);
      throw new Error(`${workload.name}: ${peer} answers ${request.variants[different]?.path} otherwise: ${told}`);
    }
    first ??= replies;
  }
}

async function reply(
  origin: string,
  { method, keyed }: Request,
  variant: Variant,
  workload: Workload,
): Promise<unknown> {
  const { path, headers, body } = variant;
  const answer = await fetch(`${origin}${path}`, {
    method,
    headers: { ...headers, ...(keyed ? { "idempotency-key": randomUUID() } : {}) },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.text();
  if (answer.status !== workload.status) {
    throw new Error(`${workload.name}: ${method} ${origin}${path}: ${answer.status} ${text.slice(0, 500)}`);
  }
  const json = text === "" ? null : JSON.parse(text);
  return workload.member === undefined ? json : json[workload.member];
}

const instant = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|\+00:00)$/;

/** Its values; moments however they are written. */
function valuesOf(value: unknown): unknown {
  if (typeof value === "string") return instant.test(value) ? Date.parse(value) : value;
  if (Array.isArray(value)) return value.map(valuesOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, valuesOf(member)]));
}

/** A value's shape: which members there are, how long lists are. */
function membersOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(membersOf);
  if (typeof value !== "object" || value === null) return null;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, membersOf(member)]));
}
