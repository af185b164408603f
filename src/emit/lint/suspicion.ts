import { type Audience, audienceName, strangersOf } from "../../plan/audience.ts";
import type { EntityPlan, Plan } from "../../plan/plan.ts";

/** Something that a declaration may tell without meaning to. */
export interface Suspicion {
  /** Where, below the entity: `actions.cancel.input.reason`. */
  readonly path: string;
  /** What a stranger learns from it. */
  readonly reason: string;
  readonly remedy: string;
}

/** One rule of the lint: every breach of it in one entity. */
export type Rule = (plan: Plan, entity: EntityPlan) => readonly Suspicion[];

/** Makes one suspicion of each place, whichever of the strangers (visitors, self-registered users) it is told to. */
export function toldToStrangers(
  plan: Plan,
  told: (audience: Audience) => readonly { readonly path: string; readonly what: string }[],
  remedy: string,
): readonly Suspicion[] {
  const places = new Map<string, { readonly what: string; readonly audiences: Set<string> }>();
  for (const audience of strangersOf(plan)) {
    for (const { path, what } of told(audience)) {
      const place = places.get(path) ?? { what, audiences: new Set() };
      place.audiences.add(audienceName(audience));
      places.set(path, place);
    }
  }
  return [...places].map(([path, { what, audiences }]) => ({
    path,
    reason: `the document for ${[...audiences].join(" and ")} ${what}`,
    remedy,
  }));
}
