import { visitorsMay } from "../domain/permit.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Plan } from "../plan/plan.ts";
import type { RecordsRepository, Who } from "../repositories/records-repository.ts";

export interface ShownRecord {
  readonly version: number;
  /** The record as JSON text, with the fields that the actor may read. */
  readonly body: string;
}

export interface ShownPage {
  /** The id to go on after, or null on the last page. */
  readonly next: string | null;
  /** The records as the text of a JSON array. */
  readonly body: string;
}

/** Reading: row-level security decides, here only what no visitor ever sees is turned away early. */
export interface QueriesService {
  read(entity: string, who: Who, id: string): Promise<ShownRecord>;
  list(entity: string, who: Who, after: string | null, skip: number, limit: number): Promise<ShownPage>;
}

export function queriesService(plan: Plan, records: RecordsRepository): QueriesService {
  const open = new Map(plan.entities.map((entity) => [entity.name, visitorsMay(entity.read, entity)]));
  const demandToken = (entity: string, who: Who) => {
    if (who === null && open.get(entity) !== true) throw new Refusal("unauthenticated");
  };
  return {
    async read(entity, who, id) {
      demandToken(entity, who);
      const shown = await records.read(entity, who, id);
      switch (shown.outcome) {
        case "found":
          return shown;
        case "gone":
          throw new Refusal("gone", { deleted_at: shown.deletedAt });
        case "not_found":
        case "unauthenticated":
          throw new Refusal(shown.outcome);
      }
    },
    async list(entity, who, after, skip, limit) {
      demandToken(entity, who);
      const page = await records.list(entity, who, after, skip, limit);
      if (page.outcome === "unauthenticated") throw new Refusal("unauthenticated");
      return page;
    },
  };
}
