import { type PossibleAction, possibleActions } from "../domain/possible-actions.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Plan } from "../plan/plan.ts";
import type { PastRepository } from "../repositories/past-repository.ts";
import type { RecordsRepository, Who } from "../repositories/records-repository.ts";
import { actorOf, KnownRecords } from "./known-records.ts";
import type { QueriesService } from "./queries-service.ts";
import { lastEvent } from "./undo-event.ts";
import type { WorkflowsInForce } from "./workflows-in-force.ts";

export type { PossibleAction } from "../domain/possible-actions.ts";

/** What a caller can do with a record, and what stands in the way of the rest. */
export interface PossibleActions {
  /** The record's state; null where the entity has no lifecycle. */
  readonly status: string | null;
  readonly actions: readonly PossibleAction[];
}

export interface PossibleActionsService {
  /** @throws Refusal as reading the record does. */
  of(entity: string, who: Who, id: string): Promise<PossibleActions>;
}

interface Parts {
  readonly plan: Plan;
  readonly records: RecordsRepository;
  readonly past: PastRepository;
  readonly workflows: WorkflowsInForce;
}

export function possibleActionsService(
  { plan, records, past, workflows }: Parts,
  queries: QueriesService,
): PossibleActionsService {
  const of = async (name: string, who: Who, id: string): Promise<PossibleActions> => {
    const entity = plan.entities.find((candidate) => candidate.name === name);
    if (entity === undefined) throw new Refusal("not_found");
    const known = new KnownRecords(records, who);
    const [, loaded] = await Promise.all([
      queries.read(
        name,
        async () => who,
        () => id,
        new Map(),
      ),
      known.load(name, id),
    ]);
    // It could be read a moment before or after; then reading again tells what it is now.
    if (loaded.outcome !== "visible") return of(name, who, id);
    const [actor, workflow, last] = await Promise.all([
      actorOf(plan, known, who),
      // What this process knows may be old, and here no later try would find out.
      entity.lifecycle === null ? null : workflows.renew(name),
      lastEvent(past, entity, loaded.record),
      known.loadReferences(
        entity,
        entity.actions.map(({ by }) => by),
        loaded.record,
      ),
    ]);
    const lifecycle = workflow?.lifecycle ?? null;
    return {
      status: lifecycle === null ? null : String(loaded.record.status),
      actions: possibleActions(entity, lifecycle, actor, loaded.record, known.visible, last),
    };
  };
  return { of };
}
