import { setTimeout as pause } from "node:timers/promises";
import type { LogPosition } from "../../kernel/log-position.ts";
import type { Observer } from "../../kernel/observation.ts";
import { faultLines, type StartFault } from "../../kernel/start-fault.ts";
import type { Engine } from "../engine.ts";
import { postgresEngine } from "../engines/postgres.ts";
import { type PrimaryLog, primaryLog } from "./primary-log.ts";
import { ranking } from "./ranking.ts";
import { Replica, wrongServer } from "./replica.ts";
import { replicaEngine } from "./replica-engine.ts";

export interface ReplicasOptions {
  readonly urls: readonly string[];
  /** The primary, for what a replica fails to answer. */
  readonly primary: Engine;
  readonly primaryUrl: string;
  readonly certificate: string | null;
  readonly poolSize: number;
  /** Milliseconds that a replica may be behind the primary. */
  readonly maxLag: number;
  readonly observe: Observer;
}

/** The read replicas of a database, watched as long as they are open. */
export interface Replicas {
  /** An engine for reads on each of them, in their order. */
  readonly engines: readonly Engine[];
  /**
   * Which of them answers this caller: always the same one while it is well, so that nobody sees time go back.
   * @param after what it must have replayed, or null
   * @returns its place among `engines`, or null where the primary must answer
   */
  choose(caller: string, after: LogPosition | null): number | null;
  /** An engine on one that has all that was committed before the call; null where none has it in time. */
  caughtUp(): Promise<Engine | null>;
  /** A position in the primary's log that covers whatever was committed before the call. Never fails. */
  position(): Promise<LogPosition>;
  close(): Promise<void>;
}

/** A server among the replicas is none of this database. */
export class WrongReplicas extends Error {
  constructor(faults: readonly StartFault[]) {
    super(`DATABASE_REPLICA_URLS names servers that cannot be used:\n${faultLines(faults)}`);
    this.name = "WrongReplicas";
  }
}

/** Between two looks at a server. */
const lookMilliseconds = 200;
/** The server ends a statement after five seconds; one that cannot is not waited for. */
const readsWithin = 7000;
/** Whoever asks has given up before; the connection goes then, too. */
const probesWithin = 2000;
/** Whoever has many records to read waits so long for a replica that has them all. */
const catchesUpWithin = 5000;
const closesWithin = 2000;

/**
 * Opens an engine for each replica and begins to watch them. One that cannot be reached may come later.
 * @throws WrongReplicas for a server that is no standby of this database
 */
export async function openReplicas(options: ReplicasOptions): Promise<Replicas> {
  const { urls, primary, maxLag, observe } = options;
  const [row] = await primary.run({ name: "system_identifier", text: systemText, writes: false }, []);
  const system = String(row?.[0]);
  const asking = openEngine(options, options.primaryUrl, 1, probesWithin, () => {});
  const log = primaryLog(asking, maxLag * 2);
  const least = await log.look().catch(async (error: unknown) => {
    await asking.close();
    throw error;
  });
  const changed = (place: string, reason: string | null): void =>
    observe(reason === null ? { kind: "replica_joined", place } : { kind: "replica_left", place, reason });
  const replicas = urls.map((url): Replica => {
    const lost = (error: unknown) => replica.lost(error);
    const reading = openEngine(options, url, options.poolSize, readsWithin, lost);
    const probing = openEngine(options, url, 1, probesWithin, lost);
    const replica = new Replica({ reading, probing, log, system, least, maxLag, changed });
    return replica;
  });
  const ended = new AbortController();
  const engines = [asking, ...replicas.flatMap(({ engines: both }) => both)];
  const close = async () => {
    ended.abort();
    // A server that has stopped does not say goodbye either.
    const closing = Promise.allSettled(engines.map((engine) => engine.close()));
    await Promise.race([closing, pause(closesWithin, null, { ref: false })]);
  };
  try {
    await firstLook(replicas, log, system, observe);
  } catch (error) {
    await close();
    throw error;
  }
  void watch(() => log.look(), ended.signal);
  for (const replica of replicas) void watch(() => replica.watch(), ended.signal);

  const first = ranking(replicas.map(({ place }) => place));
  const readers = replicas.map((replica) => replicaEngine(replica, primary));
  const choose: Replicas["choose"] = (caller, after) => {
    const now = performance.now();
    return first(caller, (index) => {
      const replica = replicas[index];
      return replica?.isIn(now) === true && (after === null || replica.has(after));
    });
  };
  return {
    engines: readers,
    choose,
    position: () => log.position(),
    async caughtUp() {
      const after = await log.position();
      const deadline = performance.now() + catchesUpWithin;
      while (performance.now() < deadline) {
        const chosen = choose("", after);
        if (chosen !== null) return readers[chosen] ?? null;
        await pause(lookMilliseconds);
      }
      return null;
    },
    close,
  };
}

const systemText = "select system_identifier::text from pg_control_system()";

const openEngine = (
  { certificate, observe }: ReplicasOptions,
  url: string,
  poolSize: number,
  answersWithin: number,
  lost: (error: unknown) => void,
): Engine =>
  postgresEngine({
    url,
    poolSize,
    answersWithin,
    lost,
    ...(certificate === null ? {} : { certificate }),
    // That a replica left is said once, with the reason; the primary's own engine speaks for the primary.
    observe: (observation) => (observation.kind === "connection_lost" ? undefined : observe(observation)),
  });

/** One that has to catch up with what this start has made is waited for so often. */
const firstLooks = 10;
const firstPause = 100;

/** Lets in whoever is well, tells of whoever is not, and refuses what can never be a replica. */
async function firstLook(replicas: readonly Replica[], log: PrimaryLog, system: string, observe: Observer) {
  const told = await Promise.all(replicas.map((replica) => replica.identify().catch(() => null)));
  const faults = told.flatMap((probe, index): readonly StartFault[] => {
    const what = probe === null ? null : wrongServer(probe, system);
    const remedy = "name standbys of DATABASE_URL alone";
    return what === null ? [] : [{ what: `${replicas[index]?.place}: ${what}`, remedy }];
  });
  if (faults.length > 0) throw new WrongReplicas(faults);
  await Promise.all(
    replicas.map(async (replica, index) => {
      for (let look = 1; look <= firstLooks && replica.reason !== null; look++) {
        if (look > 1) await pause(firstPause);
        await log.look().catch(() => {});
        await replica.watch();
        if (told[index] === null) break;
      }
      const { place, reason } = replica;
      if (reason !== null) observe({ kind: "replica_left", place, reason });
    }),
  );
}

/** Does it again and again, one at a time, until it is told to end. */
async function watch(look: () => Promise<unknown>, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    // What a look does not find out, the next one may; until then what is known grows old, and that counts.
    await look().catch(() => {});
    await pause(lookMilliseconds, null, { signal: ended, ref: false }).catch(() => {});
  }
}
