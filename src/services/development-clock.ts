import { type Clock, systemClock } from "../kernel/clock.ts";

/** A clock that follows the database's, which development may move forward while processes run. */
export interface DevelopmentClock extends Clock {
  /** Looks how far the clock was moved. @returns whether it has been moved since the last look */
  follow(): Promise<boolean>;
}

export function developmentClock(ahead: () => Promise<number>): DevelopmentClock {
  let moved = 0;
  return {
    now: () => new Date(systemClock.now().getTime() + moved),
    async follow() {
      const before = moved;
      moved = await ahead();
      return moved !== before;
    },
  };
}
