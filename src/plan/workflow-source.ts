import type { WorkflowSource } from "../declare/workflow.ts";
import type { LifecyclePlan } from "./plan.ts";

export type { WorkflowSource } from "../declare/workflow.ts";

/** A lifecycle in the shape of its file: what `planLifecycle` spread, gathered again. */
export function workflowSourceOf({ initial, states, final, transitions }: LifecyclePlan): WorkflowSource {
  return {
    initial,
    states: Object.fromEntries(
      states.map((state) => {
        const ways = new Map<string, readonly string[]>();
        for (const { action, from, to } of transitions) {
          if (from === state) ways.set(action, [...(ways.get(action) ?? []), to]);
        }
        const on = Object.fromEntries([...ways].map(([action, to]) => [action, single(to) ?? to]));
        return [state, { ...(final.includes(state) ? { final: true } : {}), ...(ways.size === 0 ? {} : { on }) }];
      }),
    ),
  };
}

const single = (targets: readonly string[]): string | null => (targets.length === 1 ? (targets[0] ?? null) : null);
