import type { Observer } from "../kernel/observation.ts";

export interface Sweeper {
  /** Begins a round now, or when the one under way is done. */
  soon(): void;
  /** Waits for the round under way; none follows. */
  stop(): Promise<void>;
}

export interface Sweeping {
  /** Removes at most so many, and tells how many it removed. */
  readonly sweep: (most: number) => Promise<number>;
  readonly everyMilliseconds: number;
  readonly observe: Observer;
}

/** In one statement: few enough that nobody waits for its locks. */
const atOnce = 1000;

/**
 * Removes what has had its time, such as kept replies, round after round until it is stopped. A round that fails is
 * reported and the next one does its work. Several processes may sweep one database: each row is removed once.
 */
export function startSweeper({ sweep, everyMilliseconds, observe }: Sweeping): Sweeper {
  let isStopped = false;
  let round: Promise<void> = Promise.resolve();
  const sweepAll = async () => {
    try {
      while (!isStopped && (await sweep(atOnce)) === atOnce);
    } catch (error) {
      observe({ kind: "sweep_failed", error });
    }
  };
  const soon = () => {
    round = round.then(sweepAll);
  };
  const timer = setInterval(soon, everyMilliseconds);
  timer.unref();
  return {
    soon,
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await round;
    },
  };
}
