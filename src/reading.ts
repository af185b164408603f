import type { Engine } from "./database/engine.ts";
import { openReplicasOf } from "./database/open-engine.ts";
import type { Replicas } from "./database/replicas/replicas.ts";
import type { Clock } from "./kernel/clock.ts";
import type { Configuration } from "./kernel/configuration.ts";
import type { Cursors } from "./kernel/cursor.ts";
import type { Observer } from "./kernel/observation.ts";
import type { Reading, ReplicaReads } from "./presentation/http/http-parts.ts";
import { aggregatesRepository } from "./repositories/aggregates-repository.ts";
import type { AuthenticationService } from "./services/authentication-service.ts";
import type { CommandsParts } from "./services/command.ts";
import { historyService } from "./services/history-service.ts";
import { impactService } from "./services/impact-service.ts";
import { possibleActionsService } from "./services/possible-actions-service.ts";
import { queriesService } from "./services/queries-service.ts";

// What answers reads, on the primary and on each of its replicas. Who asks is found out on the primary everywhere.

/** What answers reads on one engine. */
export function readingOn(
  engine: Engine,
  parts: CommandsParts,
  cursors: Cursors,
  roleOf: AuthenticationService["roleOf"],
): Reading {
  const { plan, records, past } = parts;
  const aggregates = aggregatesRepository(engine, plan);
  const queries = queriesService({ plan, records, past, aggregates, cursors, roleOf });
  return {
    queries,
    history: historyService(plan, past),
    possibleActions: possibleActionsService(parts, queries),
    impact: impactService(parts),
  };
}

/**
 * Reads as much as there is, as it is now: on a replica that has caught up with the primary, where there is one.
 * @param work gets the engine to read on
 */
export async function readingAll<T>(
  primary: Engine,
  { configuration, observe }: { readonly configuration: Configuration; readonly observe: Observer },
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const replicas = await openReplicasOf(configuration, primary, observe);
  try {
    return await work((await replicas?.caughtUp()) ?? primary);
  } finally {
    await replicas?.close();
  }
}

/** An event has the time of its statement, which may last five seconds until it is stored; and clocks differ. */
const unsettled = 10_000;

/** The same on each replica, where there are any. */
export function replicaReads(
  replicas: Replicas | null,
  maxLag: number,
  clock: Clock,
  on: (engine: Engine) => Reading,
): ReplicaReads | null {
  if (replicas === null) return null;
  const readings = replicas.engines.map(on);
  return {
    readingFor(caller, after) {
      const chosen = replicas.choose(caller, after);
      return chosen === null ? null : (readings[chosen] ?? null);
    },
    isPast: (moment) => Date.parse(moment) < clock.now().getTime() - maxLag - unsettled,
    position: () => replicas.position(),
    // A browser may count a second that has only begun.
    tokenSeconds: Math.ceil(maxLag / 1000) + 1,
  };
}
