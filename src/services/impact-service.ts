import { goneSince } from "../domain/deletion.ts";
import { permits, visitor } from "../domain/permit.ts";
import { Refusal } from "../kernel/refusal.ts";
import { nearest } from "../kernel/suggestion.ts";
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
  /** @throws Refusal as the action itself would for this caller, but for what it would do. */
  ask(entity: EntityPlan, action: string, who: Who, id: string): Promise<ShownImpact>;
}

export function impactService(parts: CommandsParts): ImpactService {
  return {
    async ask(entity, name, who, id) {
      const action = entity.actions.find((candidate) => candidate.name === name && candidate.kind !== "create");
      if (action === undefined) throw unknownAction(entity, name);
      const admitted = await admit(parts, entity, action, { entity: entity.name, action: name, who, id });
      if (admitted === "again" || admitted.state === null) throw new Refusal("overloaded", { retryAfter: 1 });
      const { state } = admitted;
      if (admitted.isGone) {
        const shown = await parts.records.read(entity.name, who, id);
        if (shown.outcome === "gone") throw new Refusal("gone", goneSince(entity, shown.deletedAt));
        throw new Refusal("overloaded", { retryAfter: 1 });
      }
      return impactOn(parts, entity, action, who, id, Number(state.version));
    },
  };
}

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
  const known = entity.actions.filter(({ kind }) => kind !== "create");
  const told = known.filter(({ by }) => permits(by, visitor, entity, null, () => null) !== "no");
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
