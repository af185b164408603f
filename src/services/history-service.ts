import { type HistoryEntry, historyOf } from "../domain/history.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Plan } from "../plan/plan.ts";
import type { HistoryPage, PastRepository } from "../repositories/past-repository.ts";
import type { Who } from "../repositories/records-repository.ts";

export type { HistoryPage } from "../repositories/past-repository.ts";

export interface ShownHistory {
  /** In the order asked for. */
  readonly events: readonly HistoryEntry[];
  /** The version to go on from, or null on the last page. */
  readonly next: number | null;
}

/** The history of records, for whoever may read them today or could before they were deleted. */
export interface HistoryService {
  /** @throws Refusal `unauthenticated` for every visitor. */
  history(entity: string, who: Who, id: string, page: HistoryPage): Promise<ShownHistory>;
}

export function historyService(plan: Plan, past: PastRepository): HistoryService {
  const entities = new Map(plan.entities.map((entity) => [entity.name, entity]));
  const known = (name: string) => {
    const entity = entities.get(name);
    if (entity === undefined) throw new Refusal("not_found");
    return entity;
  };
  return {
    async history(name, who, id, page) {
      const entity = known(name);
      if (who === null) throw new Refusal("unauthenticated");
      const slice = await past.history(name, who, id, page);
      if (slice.outcome !== "found") throw new Refusal(slice.outcome);
      const entries = historyOf(entity, slice.before, slice.events, slice.masked);
      const ordered = page.newestFirst ? entries.toReversed() : entries;
      const events = ordered.slice(0, page.limit);
      return { events, next: ordered.length > page.limit ? (events.at(-1)?.version ?? null) : null };
    },
  };
}
