import { setTimeout as pause } from "node:timers/promises";
import type { SeedRepository } from "../repositories/seed-repository.ts";

/** The process that sowed this database has ended before it was done. */
export class SeedUnfinished extends Error {
  constructor(place: string) {
    super(
      `The database in ${place} was being sown when the process that did it ended: a part of its records is missing. ` +
        "Remove the database (the directory of an embedded one) and start again; GESTA_SEED=none starts without a seed.",
    );
    this.name = "SeedUnfinished";
  }
}

const everyMilliseconds = 1000;

/** Sows an empty database, and says all the while that it goes on. */
export async function sowing(seeds: SeedRepository, work: () => Promise<void>): Promise<void> {
  let touching = Promise.resolve();
  const timer = setInterval(() => {
    touching = seeds.touch().catch(() => {}); // The next sign of life is a second away.
  }, everyMilliseconds * 2);
  try {
    await work();
  } finally {
    clearInterval(timer);
    await touching;
  }
  await seeds.finish();
}

/**
 * Waits until another process has sown the database, where one does.
 * @throws SeedUnfinished when it ended before it was done.
 */
export async function sown(seeds: SeedRepository, place: string): Promise<void> {
  for (;;) {
    const state = await seeds.state();
    if (state === "done") return;
    if (state === "given_up") throw new SeedUnfinished(place);
    await pause(everyMilliseconds / 4);
  }
}
