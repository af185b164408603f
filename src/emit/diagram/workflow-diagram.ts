import type { EntityPlan } from "../../plan/plan.ts";

/** The workflow of an entity as a Mermaid state diagram; empty for an entity without a lifecycle. */
export function workflowDiagram({ lifecycle }: EntityPlan): string {
  if (lifecycle === null) return "";
  return [
    "stateDiagram-v2",
    `  [*] --> ${lifecycle.initial}`,
    ...lifecycle.transitions.map(({ action, from, to }) => `  ${from} --> ${to}: ${action}`),
    ...lifecycle.final.map((state) => `  ${state} --> [*]`),
    "",
  ].join("\n");
}
