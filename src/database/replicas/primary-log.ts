import { furthest, type LogPosition, readLsn } from "../../kernel/log-position.ts";
import { Batch } from "../batch.ts";
import type { Engine } from "../engine.ts";

/**
 * A commit is in the log on disk when it is acknowledged, unless the sessions say `synchronous_commit = off`: then only
 * what has been inserted is sure to hold it.
 */
const positionText = `select case when current_setting('synchronous_commit') = 'off'
    then pg_current_wal_insert_lsn() else pg_current_wal_flush_lsn() end::text,
  pg_current_wal_flush_lsn()::text, left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) from pg_catalog.pg_database
  where datname = current_database()`;

interface Look {
  /** Covers all that was committed before the question left. */
  readonly covering: LogPosition;
  /** What a replica can have by now. */
  readonly flushed: bigint;
}

interface Sample {
  readonly askedAt: number;
  readonly flushed: bigint;
}

/** Where the primary's log stands, and where it stood a while ago. */
export interface PrimaryLog {
  /**
   * A position that covers whatever was committed before the call. All that wait are answered by one question, and none
   * by one that had left before. Never fails: where the primary does not answer, nothing but the primary is far enough.
   */
  position(): Promise<LogPosition>;
  /** Looks, and remembers when. @throws when the primary does not answer */
  look(): Promise<LogPosition>;
  /** When it last looked and was answered. */
  lookedAt(): number;
  /** The history that the primary writes, as far as it is known. */
  timeline(): number | null;
  /** The latest known moment before which all was committed in front of this place; null where none is known. */
  freshness(lsn: bigint): number | null;
}

/** @param remembered for how many milliseconds it is known where the log stood */
export function primaryLog(engine: Engine, remembered: number): PrimaryLog {
  const ask = async (): Promise<Look> => {
    const [row] = await engine.run({ name: "log_position", text: positionText, writes: false }, []);
    const [covering, flushed, timeline] = row ?? [];
    return {
      covering: { timeline: Number.parseInt(String(timeline), 16), lsn: readLsn(String(covering)) },
      flushed: readLsn(String(flushed)),
    };
  };
  const shared = new Batch<"now", Look>(
    async () => [await ask()],
    { size: 1, lanes: 1, waiting: Number.POSITIVE_INFINITY },
    (question) => question,
  );
  const samples: Sample[] = [];
  let latest: number | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  return {
    position: () =>
      shared.ask("now").then(
        ({ covering }) => covering,
        () => furthest,
      ),
    async look() {
      const askedAt = performance.now();
      const { covering, flushed } = await ask();
      // What was known of another history says nothing about this one.
      if (covering.timeline !== latest) samples.length = 0;
      latest = covering.timeline;
      lookedAt = askedAt;
      // Of the moments at which it stood in one place, the last one says most.
      if (samples.at(-1)?.flushed === flushed) samples.pop();
      while (samples[0] !== undefined && samples[0].askedAt < askedAt - remembered) samples.shift();
      samples.push({ askedAt, flushed });
      return covering;
    },
    lookedAt: () => lookedAt,
    timeline: () => latest,
    freshness: (lsn) => samples.findLast(({ flushed }) => flushed <= lsn)?.askedAt ?? null,
  };
}
