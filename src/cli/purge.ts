import { readFileSync } from "node:fs";
import type { Surroundings } from "../gesta.ts";
import { parseDestroyed } from "../kernel/destroyed-subjects.ts";
import { type Purged, type RunnableApplication, withPurges } from "../operations.ts";

/** The words and options after `gesta purge`. */
export interface PurgeRequest {
  readonly words: readonly string[];
  readonly reason: string | undefined;
  readonly due: boolean;
  readonly list: boolean;
  readonly reapply: string | undefined;
  readonly json: boolean;
}

const usage =
  "gesta purge takes one of: --due, ENTITY ID --reason TEXT, --list, --reapply FILE. For example: gesta purge --due";

/** `gesta purge`. @returns the exit code: 1 where a purge left something personal. */
export async function purge(
  application: RunnableApplication,
  around: Surroundings,
  { words: [entity, id], reason, due, list, reapply, json }: PurgeRequest,
  say: (line: string) => void,
): Promise<number> {
  if ([due, list, reapply !== undefined, entity !== undefined].filter(Boolean).length !== 1) throw new Error(usage);
  if (list) {
    const subjects = await withPurges(application, around, (purges) => purges.list());
    for (const subject of subjects) say(JSON.stringify(subject));
    return 0;
  }
  const purged = await withPurges(application, around, async (purges): Promise<readonly Purged[]> => {
    if (due) return purges.purgeDue();
    if (reapply !== undefined) return purges.reapply(parseDestroyed(readFileSync(reapply, "utf8")));
    if (entity === undefined || id === undefined) throw new Error(usage);
    if (reason === undefined) throw new Error("Why before its time? Pass --reason TEXT: it is kept with the event.");
    return [await purges.purge(entity, id, reason)];
  });
  const clean = purged.every((one) => one.clean);
  if (json) say(JSON.stringify({ purged, clean }));
  else {
    for (const one of purged) {
      say(`${one.entity} ${one.id}: purged ${one.at}, ${one.clean ? "nothing personal left" : "NOT CLEAN"}`);
      for (const { table, columns, rows, left } of one.looked_at) {
        if (rows + left > 0) say(`  ${table} (${columns.join(", ")}): ${rows} rows, ${left} left`);
      }
    }
    say(`${purged.length} purged`);
  }
  return clean ? 0 : 1;
}
