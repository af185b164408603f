import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { type LogPosition, readLsn } from "../../kernel/log-position.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { Engine, Row } from "../engine.ts";
import type { PrimaryLog } from "./primary-log.ts";

/** The timeline of a standby is known by its control file alone: it may be behind, and is never ahead. */
const probeText = `select pg_is_in_recovery()::text, pg_last_wal_replay_lsn()::text, s.system_identifier::text,
  greatest(c.timeline_id, r.min_recovery_end_timeline)
  from pg_control_system() s, pg_control_checkpoint() c, pg_control_recovery() r`;

/** What a server says of itself. */
export interface Probe {
  readonly standby: boolean;
  readonly lsn: bigint;
  readonly system: string;
  readonly timeline: number;
}

export interface ReplicaOptions {
  /** For reads. */
  readonly reading: Engine;
  /** One connection for questions about the server: never behind reads. */
  readonly probing: Engine;
  readonly log: PrimaryLog;
  /** The system identifier of the primary. */
  readonly system: string;
  /** What it must have replayed to know the tables and functions that this start works with. */
  readonly least: LogPosition;
  readonly maxLag: number;
  readonly changed: (place: string, reason: string | null) => void;
}

/** A question that is not answered within so long counts as none. */
const answersWithin = 1000;
/** A read that failed keeps the replica out for so long, however well it answers. */
const restMilliseconds = 1000;

/** The replica stopped answering before a read was answered. */
export class ReplicaGone extends Error {}

/** One replica: what is known of it, and whether reads may go there. */
export class Replica {
  readonly place: string;
  readonly reading: Engine;
  readonly #options: ReplicaOptions;
  #probe: Probe | null = null;
  /** The moment up to which it is known to have everything. */
  #freshAt = Number.NEGATIVE_INFINITY;
  #out: string | null = "it was not asked yet";
  #restsUntil = 0;
  /** How often it went away. */
  #gone = 0;
  #probing: Promise<Probe> | null = null;
  readonly #underWay = new Set<() => void>();

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.reading = options.reading;
    this.place = options.reading.place;
  }

  get engines(): readonly Engine[] {
    return [this.#options.reading, this.#options.probing];
  }

  /** Why it is out of the rotation; null while it is in. */
  get reason(): string | null {
    return this.#out;
  }

  /** Whether it is in the rotation at this moment, and not further behind than is allowed. */
  isIn(now: number): boolean {
    return this.#out === null && now - this.#freshAt <= this.#options.maxLag;
  }

  /** Whether it is known to have replayed this far. */
  has({ timeline, lsn }: LogPosition): boolean {
    return this.#probe !== null && this.#probe.lsn >= lsn && timeline === this.#probe.timeline;
  }

  /** Asks the server who it is, also where it has no role of Gesta's yet. @throws where it does not answer in time */
  identify(): Promise<Probe> {
    return inTime(this.#options.probing.inspect(probeText).then(([row]) => probeIn(row)));
  }

  /** Asks, and lets it into the rotation or out of it. */
  async watch(): Promise<void> {
    const gone = this.#gone;
    try {
      // A question under way is not asked again.
      this.#probing ??= probe(this.#options.probing).finally(() => {
        this.#probing = null;
      });
      const told = await inTime(this.#probing);
      // It may be the answer of a server that has died since.
      if (gone !== this.#gone) return;
      this.#probe = told;
      this.#freshAt = this.#options.log.freshness(this.#probe.lsn) ?? Number.NEGATIVE_INFINITY;
    } catch (error) {
      this.leave(`it does not answer: ${said(error)}`, true);
      return;
    }
    this.#judge(this.#probe);
  }

  /** Out of the rotation. @param gone whether reads that are under way there are given up too */
  leave(reason: string, gone: boolean): void {
    if (gone) {
      // A server that comes back may begin before what it had shown: what was known of it counts no more.
      this.#gone++;
      this.#probe = null;
      for (const giveUp of this.#underWay) giveUp();
    }
    if (this.#out === null) this.#options.changed(this.place, reason);
    this.#out = reason;
  }

  /** A read failed there. */
  failed(error: unknown): void {
    this.#restsUntil = performance.now() + restMilliseconds;
    this.leave(`a read failed: ${said(error)}`, false);
  }

  /** A connection to it broke. */
  lost(error: unknown): void {
    this.#restsUntil = performance.now() + restMilliseconds;
    this.leave(`a connection was lost: ${said(error)}`, true);
  }

  /** Does what the server is asked for, and fails at once where it stops answering meanwhile. */
  async answer<T>(work: () => Promise<T>): Promise<T> {
    if (this.#probe === null) throw new ReplicaGone();
    return new Promise<T>((resolve, reject) => {
      const giveUp = () => reject(new ReplicaGone());
      this.#underWay.add(giveUp);
      work()
        .then(resolve, reject)
        .finally(() => this.#underWay.delete(giveUp));
    });
  }

  #judge(told: Probe): void {
    const reason = this.#fault(told) ?? this.#delay(told);
    if (reason !== null) {
      this.leave(reason, false);
    } else if (performance.now() >= this.#restsUntil && this.#out !== null) {
      this.#out = null;
      this.#options.changed(this.place, null);
    }
  }

  #fault(told: Probe): string | null {
    const timeline = this.#options.log.timeline();
    return (
      wrongServer(told, this.#options.system) ??
      (timeline === null || told.timeline === timeline
        ? null
        : `it follows timeline ${told.timeline}, the primary writes ${timeline}`)
    );
  }

  #delay(told: Probe): string | null {
    const { least, maxLag } = this.#options;
    if (told.timeline === least.timeline && told.lsn < least.lsn) {
      return "it does not have yet what this application was started with";
    }
    const now = performance.now();
    if (now - this.#options.log.lookedAt() > maxLag)
      return "the primary does not answer: nobody knows how far behind it is";
    const lag = now - this.#freshAt;
    // Whoever was out for being behind must catch up well, or it would go in and out all the time.
    const most = this.#out === null ? maxLag : maxLag / 2;
    if (lag <= most) return null;
    const seconds = Number.isFinite(lag) ? (lag / 1000).toFixed(1) : `more than ${maxLag / 1000}`;
    return `it is ${seconds} s behind the primary`;
  }
}

/** Why this server can never be asked, or null. */
export const wrongServer = ({ standby, system: its }: Probe, system: string): string | null =>
  its !== system ? "it is a copy of another database" : standby ? null : "it is no standby: it takes writes of its own";

async function probe(engine: Engine): Promise<Probe> {
  const [row] = await engine.run({ name: "probe_replica", text: probeText, writes: false }, []);
  return probeIn(row);
}

function probeIn(row: Row | undefined): Probe {
  const [standby, lsn, system, timeline] = row ?? [];
  return {
    standby: standby === "true",
    lsn: lsn == null ? 0n : readLsn(String(lsn)),
    system: String(system),
    timeline: Number(timeline),
  };
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const limit = pause(answersWithin, null, { signal: ended.signal }).then(async () => {
    // Where this process stood still itself, the answer may be there already, and is read in this turn.
    await nextTurn();
    throw new Error(`no answer within ${answersWithin} ms`);
  });
  // Whichever comes second is nobody's business any more.
  limit.catch(() => {});
  work.catch(() => {});
  return Promise.race([work, limit]).finally(() => ended.abort());
}

/** The cause in one line, for the log of whoever looks after the servers. */
function said(error: unknown): string {
  if (error instanceof Refusal && error.cause !== undefined) return said(error.cause);
  return error instanceof Error ? error.message : String(error);
}
