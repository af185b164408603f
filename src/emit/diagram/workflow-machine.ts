import type { EntityPlan, TransitionPlan } from "../../plan/plan.ts";

/** The part of an XState 5 machine configuration that a workflow fills. */
export interface MachineConfig {
  readonly id: string;
  readonly initial: string;
  readonly states: Readonly<Record<string, StateConfig>>;
}

interface StateConfig {
  readonly type?: "final";
  readonly on?: Readonly<Record<string, string | readonly string[]>>;
}

/**
 * The workflow of an entity as JSON that XState 5 runs. An event is an action. Where something else than the state
 * chooses the target, `<action>.<target>` is an event as well: alone (`status.cooking`) where the caller names the
 * target; beside the plain action where the action's own decision chooses, which XState alone cannot take: to it the
 * plain action leads to the first target.
 */
export function workflowMachine(entity: EntityPlan): MachineConfig | null {
  const { lifecycle, name } = entity;
  if (lifecycle === null) return null;
  const stateOf = (state: string): StateConfig => {
    const on = eventsOf(
      entity,
      lifecycle.transitions.filter(({ from }) => from === state),
    );
    return {
      ...(lifecycle.final.includes(state) ? { type: "final" } : {}),
      ...(Object.keys(on).length === 0 ? {} : { on }),
    };
  };
  return {
    id: name,
    initial: lifecycle.initial,
    states: Object.fromEntries(lifecycle.states.map((state) => [state, stateOf(state)])),
  };
}

function eventsOf({ actions }: EntityPlan, steps: readonly TransitionPlan[]): NonNullable<StateConfig["on"]> {
  const on: Record<string, string | readonly string[]> = {};
  for (const { action } of steps) {
    const targets = steps.filter((step) => step.action === action).map(({ to }) => to);
    const callerChooses = typeof actions.find(({ name }) => name === action)?.event === "object";
    if (!callerChooses) on[action] = targets.length === 1 ? targets.join() : targets;
    if (callerChooses || targets.length > 1) for (const target of targets) on[`${action}.${target}`] = target;
  }
  return on;
}
