import { goneSince } from "../domain/deletion.ts";
import { type HistoryEntry, historyOf } from "../domain/history.ts";
import { visitorsMay } from "../domain/permit.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Plan } from "../plan/plan.ts";
import type { HistoryPage, PastRepository, PointInTime } from "../repositories/past-repository.ts";
import type { Who } from "../repositories/records-repository.ts";
import type { ShownRecord } from "./queries-service.ts";

export type { HistoryPage, PointInTime } from "../repositories/past-repository.ts";

export interface ShownHistory {
  /** In the order asked for. */
  readonly events: readonly HistoryEntry[];
  /** The version to go on from, or null on the last page. */
  readonly next: number | null;
}

/** The past of records, for whoever may read them today or could before they were deleted. */
export interface HistoryService {
  /** @throws Refusal `gone` where the record was deleted then; `not_found` before its creation. */
  readAt(entity: string, who: Who, id: string, point: PointInTime): Promise<Omit<ShownRecord, "whole">>;
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
    async readAt(name, who, id, point) {
      const entity = known(name);
      if (who === null && !visitorsMay(entity.read, entity)) throw new Refusal("unauthenticated");
      const shown = await past.at(name, who, id, point);
      switch (shown.outcome) {
        case "found":
          return shown;
        case "future":
          throw future();
        case "gone":
          throw new Refusal("gone", goneSince(entity, shown.deletedAt));
        case "not_found":
        case "unauthenticated":
          throw new Refusal(shown.outcome);
      }
    },
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

/** Only the database knows what time it is for its events. */
const future = (): Refusal => {
  const parameters = { expected: "must not lie in the future" };
  return new Refusal("invalid_query", { errors: [{ parameter: "as_of", code: "invalid_parameter", parameters }] });
};
