import { chance } from "./audience.ts";
import type { Plan } from "./plan.ts";

/** The scope of reading: of records one by one, of lists and of histories. */
export const readScope = (entity: string): string => `${entity}:read`;

/** The scope of an action. */
export const actionScope = (entity: string, action: string): string => `${entity}:${action}`;

/** For what belongs to no collection, such as keys themselves: a key that has scopes is not good for it. */
export const unscoped = "*";

/** All that a key of somebody with this role can be good for. */
export const scopesOf = (plan: Plan, role: string): readonly string[] =>
  plan.entities.flatMap(({ name, read, actions }) => [
    ...(chance(read, role) === "never" ? [] : [readScope(name)]),
    ...actions.filter(({ by }) => chance(by, role) !== "never").map((action) => actionScope(name, action.name)),
  ]);
