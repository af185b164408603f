import { nearest } from "../kernel/suggestion.ts";
import { didYouMean } from "../plan/finding.ts";
import type { EntityPlan, LifecyclePlan, Plan, TransitionPlan } from "../plan/plan.ts";
import { type Application, entityOfWorkflow, readWorkflow } from "../plan/read-workflow.ts";
import { planLifecycle } from "../plan/transformers/plan-lifecycle.ts";
import { workflowSourceOf } from "../plan/workflow-source.ts";
import type { WorkflowRepository, WorkflowVersion } from "../repositories/workflow-repository.ts";

export type { WorkflowVersion } from "../repositories/workflow-repository.ts";

/** What applying a workflow came to. */
export interface AppliedWorkflow {
  readonly entity: string;
  readonly version: number;
  /** False where it was in force already. */
  readonly changed: boolean;
  readonly added: readonly TransitionPlan[];
  readonly removed: readonly TransitionPlan[];
}

/** A workflow that would leave live records in states that it does not have. */
export class RecordsStranded extends Error {
  constructor(entity: string, records: Readonly<Record<string, number>>) {
    const counts = Object.entries(records).map(([state, count]) => `  ${state}: ${count}`);
    const all = Object.values(records).reduce((sum, count) => sum + count, 0);
    super(
      `${all} live record(s) of '${entity}' would be stranded in states that the workflow no longer has:\n` +
        `${counts.join("\n")}\nNothing was changed. Keep each of these states until its records have moved on; ` +
        "remove the transitions that lead to it first.",
    );
    this.name = "RecordsStranded";
  }
}

/** What an operator does with the workflows of an application. */
export interface WorkflowService {
  /** The entity with the workflow in force; as declared, with version null, where none was put in force yet. */
  show(entity: string): Promise<{ readonly entity: EntityPlan; readonly version: number | null }>;
  /**
   * Checks what was read from a file and puts it in force. Without an entity, it is the one that has such states.
   * @throws WorkflowFaults, RecordsStranded
   */
  apply(entity: string | null, value: unknown, reason: string | null): Promise<AppliedWorkflow>;
  /** The versions that were in force, the newest first. */
  history(entity: string): Promise<readonly WorkflowVersion[]>;
}

export function workflowService(declared: Application, plan: Plan, repository: WorkflowRepository): WorkflowService {
  const inForce = async (entity: string): Promise<{ version: number; lifecycle: LifecyclePlan } | null> => {
    const found = (await repository.exists()) ? await repository.inForce(entity) : null;
    return found === null ? null : { version: found.version, lifecycle: planLifecycle(found.source) };
  };
  return {
    async show(name) {
      const entity = entityWithWorkflow(plan, name);
      const found = await inForce(name);
      return {
        entity: { ...entity, lifecycle: found?.lifecycle ?? entity.lifecycle },
        version: found?.version ?? null,
      };
    },
    async apply(given, value, reason) {
      const { name, lifecycle } = entityWithWorkflow(plan, given ?? entityOfWorkflow(declared, value));
      const wanted = planLifecycle(readWorkflow(declared, name, value));
      const before = await inForce(name);
      if (before === null) throw new Error("No workflow is in force yet. Start the application first.");
      const put = await repository.put(name, workflowSourceOf(wanted), workflowSourceOf(lifecycle), reason);
      if (put.outcome === "stranded") throw new RecordsStranded(name, put.records);
      return {
        entity: name,
        version: put.version,
        changed: put.outcome === "put",
        added: beyond(wanted.transitions, before.lifecycle.transitions),
        removed: beyond(before.lifecycle.transitions, wanted.transitions),
      };
    },
    async history(name) {
      entityWithWorkflow(plan, name);
      return (await repository.exists()) ? repository.history(name) : [];
    },
  };
}

/** @throws Error that names the entities which have a workflow, when there is none of this name. */
export function entityWithWorkflow(plan: Plan, name: string): EntityPlan & { readonly lifecycle: LifecyclePlan } {
  const known = plan.entities.flatMap(({ lifecycle, ...rest }) => (lifecycle === null ? [] : [{ ...rest, lifecycle }]));
  const found = known.find((entity) => entity.name === name);
  if (found !== undefined) return found;
  const names = known.map((entity) => entity.name);
  const remedy = didYouMean(nearest(name, names), `use one of: ${names.join(", ")}`);
  throw new Error(`No entity '${name}' with a workflow; ${remedy}`);
}

const beyond = (some: readonly TransitionPlan[], others: readonly TransitionPlan[]): readonly TransitionPlan[] =>
  some.filter(
    ({ action, from, to }) =>
      !others.some((other) => other.action === action && other.from === from && other.to === to),
  );
