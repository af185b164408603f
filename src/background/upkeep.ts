import type { Observer } from "../kernel/observation.ts";
import type { DevelopmentClock } from "../services/development-clock.ts";
import type { PurgeService } from "../services/purge-service.ts";
import { startSweeper } from "./sweeper.ts";

export interface Upkeep {
  /** Waits for what is under way; nothing follows. */
  stop(): Promise<void>;
}

interface Parts {
  /** Removes at most so many kept replies, and tells how many it removed. */
  readonly sweepReplies: (most: number) => Promise<number>;
  readonly purges: PurgeService;
  /** Development's clock; null in production, where nobody moves it. */
  readonly clock: DevelopmentClock | null;
  readonly observe: Observer;
}

const roundMilliseconds = 10 * 60_000;
const clockMilliseconds = 500;

/**
 * What an application does for itself: replies that have had their time are swept away, records whose time is over are
 * purged. Where development moves its clock, both happen at once.
 */
export function startUpkeep({ sweepReplies, purges, clock, observe }: Parts): Upkeep {
  const sweeping = { everyMilliseconds: roundMilliseconds, observe };
  const replies = startSweeper({ ...sweeping, sweep: sweepReplies });
  const purge = async () => {
    await purges.purgeDue();
    return 0; // all that is due is done in one go
  };
  const records = startSweeper({ ...sweeping, sweep: purge });
  records.soon();
  const follow = async () => {
    if (await clock?.follow()) {
      replies.soon();
      records.soon();
    }
    return 0;
  };
  const watch = clock === null ? null : startSweeper({ everyMilliseconds: clockMilliseconds, observe, sweep: follow });
  return {
    async stop() {
      await watch?.stop();
      await replies.stop();
      await records.stop();
    },
  };
}
