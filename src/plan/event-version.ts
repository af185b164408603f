import type { EntityPlan } from "./plan.ts";

/** The version in which the events of an entity are written now; older ones are read through its evolution. */
export const eventVersionOf = ({ evolution }: Pick<EntityPlan, "evolution">): number => evolution.length + 1;
