import type { LifecyclePlan } from "../plan/plan.ts";
import { planLifecycle } from "../plan/transformers/plan-lifecycle.ts";
import type { WorkflowRepository } from "../repositories/workflow-repository.ts";

export interface WorkflowInForce {
  readonly version: number;
  readonly lifecycle: LifecyclePlan;
}

/**
 * The workflows that this process decides by. What it knows may be old, and that is harmless: a move is done only if
 * the database knows its transition at that moment, and a refusal is given only when `renew` found nothing newer than
 * what the decision was made by.
 */
export interface WorkflowsInForce {
  /** The workflow as last read. */
  of(entity: string): Promise<WorkflowInForce>;
  /** Reads it again. */
  renew(entity: string): Promise<WorkflowInForce>;
}

export function workflowsInForce(repository: WorkflowRepository): WorkflowsInForce {
  const known = new Map<string, WorkflowInForce>();
  const renew = async (entity: string): Promise<WorkflowInForce> => {
    const found = await repository.inForce(entity);
    if (found === null) throw new Error(`no workflow of '${entity}' is in force`);
    const now = { version: found.version, lifecycle: planLifecycle(found.source) };
    known.set(entity, now);
    return now;
  };
  return { of: async (entity) => known.get(entity) ?? (await renew(entity)), renew };
}
