import type { ActionPlan } from "./plan.ts";

/** The action that takes another one back: itself, with the values before, or the one that it names. */
export const inverseOf = (actions: readonly ActionPlan[], { name, undo }: ActionPlan): ActionPlan | undefined =>
  undo === null
    ? undefined
    : actions.find((candidate) => candidate.name === (undo.way === "values" ? name : undo.action));

/** The actions that are done to the database: to undo is to do one of the others. */
export const writtenActions = (actions: readonly ActionPlan[]): readonly ActionPlan[] =>
  actions.filter(({ kind }) => kind !== "undo");
