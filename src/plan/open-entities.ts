import type { EntityPlan, Plan } from "./plan.ts";

/**
 * Whether a decision may be told the records of an entity whoever asks, without asking who that is: everybody may read
 * them. Actors are never among them, whoever may read them: one who is not let in any more would be found.
 */
export const isOpen = ({ actors }: Plan, { name, read }: EntityPlan): boolean =>
  read.kind === "anyone" && actors?.entity !== name;
