import { permits, visitor } from "../domain/permit.ts";
import { Refusal } from "../kernel/refusal.ts";
import { nearest } from "../kernel/suggestion.ts";
import { offeredActions } from "../plan/audience.ts";
import { isLinked } from "../plan/delete-rules.ts";
import type { ActionPlan, EntityPlan } from "../plan/plan.ts";
import type { Who } from "../repositories/records-repository.ts";
import type { CommandsParts } from "./command.ts";
import { admit } from "./commands-service.ts";
import { edgesOf, impactOf, type ShownEdge } from "./impact.ts";

/** What an action would touch besides its own record, asked before it is done. */
export interface ShownImpact {
  readonly blocked_by: readonly ShownEdge[];
  readonly cascades: readonly ShownEdge[];
  readonly detaches: readonly ShownEdge[];
  readonly reactions: readonly never[];
  /** People who are told, and of what. */
  readonly notifies: readonly { readonly who: string; readonly of: string; readonly after_seconds: number }[];
  /** What `?confirm=` wants; null where nothing is to be confirmed. */
  readonly confirm: string | null;
}

export interface ImpactService {
  /** @throws Refusal as the action itself would for this caller, but for what it would do; 410 for a deleted record. */
  ask(entity: EntityPlan, action: ActionPlan, who: Who, id: string): Promise<ShownImpact>;
}

export function impactService(parts: CommandsParts): ImpactService {
  return {
    async ask(entity, action, who, id) {
      const admitted = await admit(parts, entity, action, { who, id }, false);
      if (admitted === "again" || admitted.state === null) throw new Refusal("overloaded", { retryAfter: 1 });
      return impactOn(parts, entity, action, who, id, Number(admitted.state.version));
    },
  };
}

/** The action on a record that has this name. @throws Refusal `invalid_query` */
export function actionOnRecord(entity: EntityPlan, name: string): ActionPlan {
  const action = onRecords(entity).find((candidate) => candidate.name === name);
  if (action === undefined) throw unknownAction(entity, name);
  return action;
}

const onRecords = (entity: EntityPlan): readonly ActionPlan[] =>
  offeredActions(entity).filter(({ kind }) => kind !== "create");

async function impactOn(
  { plan, records, confirmations }: CommandsParts,
  entity: EntityPlan,
  action: ActionPlan,
  who: Who,
  id: string,
  version: number,
): Promise<ShownImpact> {
  const { barrier } = action;
  const confirms = barrier !== null && barrier.confirm !== "never";
  const touches = barrier !== null && (confirms || isLinked(plan, entity));
  const impact = touches ? await impactOf(records, entity, who, id) : { edges: [], digest: "" };
  const agreement = { who, entity: entity.name, action: action.name, id, version, digest: impact.digest };
  return {
    blocked_by: edgesOf(impact, "restrict"),
    cascades: edgesOf(impact, "cascade"),
    detaches: edgesOf(impact, "detach"),
    reactions: [],
    notifies:
      barrier === null || barrier.wait === null
        ? []
        : [{ who: "admins", of: "the coming purge", after_seconds: barrier.wait / 1000 }],
    confirm: confirms ? confirmations.make(agreement) : null,
  };
}

/** Suggests what anybody may do alone: the names of all other actions are not everybody's business. */
function unknownAction(entity: EntityPlan, name: string): Refusal {
  const told = onRecords(entity).filter(({ by }) => permits(by, visitor, entity, null, () => null) !== "no");
  const suggestion = nearest(
    name,
    told.map((action) => action.name),
  );
  return new Refusal("invalid_query", {
    errors: [
      {
        parameter: "action",
        code: "invalid_parameter",
        parameters: { expected: "must be the name of an action of the record" },
        ...(suggestion === undefined ? {} : { suggestion }),
      },
    ],
  });
}
