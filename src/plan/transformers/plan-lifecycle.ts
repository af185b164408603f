import type { WorkflowSource } from "../../declare/workflow.ts";
import type { LifecyclePlan } from "../plan.ts";

/** Spreads the table of states into single transitions. */
export function planLifecycle(source: WorkflowSource): LifecyclePlan {
  const states = Object.entries(source.states);
  return {
    initial: source.initial,
    states: states.map(([name]) => name),
    final: states.filter(([, state]) => state.final === true).map(([name]) => name),
    transitions: states.flatMap(([from, state]) =>
      Object.entries(state.on ?? {}).flatMap(([action, to]) =>
        (typeof to === "string" ? [to] : to).map((target) => ({ action, from, to: target })),
      ),
    ),
  };
}
