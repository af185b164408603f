import { deepFreeze } from "../kernel/freeze.ts";

/** What one state allows: the action's name leads to the state, or states, that it may end in. */
export interface StateSource {
  readonly final?: boolean;
  readonly on?: { readonly [action: string]: string | readonly string[] };
}

/** A workflow as it stands in a file (`order.workflow.json`) or in a declaration. */
export interface WorkflowSource {
  readonly initial: string;
  readonly states: { readonly [state: string]: StateSource };
}

declare const stateNames: unique symbol;

/** The lifecycle of an entity: its states and the actions that lead from one to another. */
export interface Lifecycle<State extends string = string> {
  readonly source: WorkflowSource;
  /** Exists for the type checker alone. */
  readonly [stateNames]: State;
}

/** The states of a workflow, from the keys of its source. */
export type StateOf<W extends WorkflowSource> = keyof W["states"] & string;

/**
 * The lifecycle that a table of transitions describes. State names are known to the type checker, also from a JSON
 * file; every mistake in the table is refused with its path when the application is planned.
 *
 * @example
 * workflow({ initial: "open", states: { open: { on: { close: "closed" } }, closed: { on: { open: "open" } } } })
 */
export function workflow<const W extends WorkflowSource>(source: W): Lifecycle<StateOf<W>> {
  // The state names live in the type alone.
  return { source: deepFreeze(source) } as unknown as Lifecycle<StateOf<W>>;
}
