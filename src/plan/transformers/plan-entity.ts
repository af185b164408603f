import type { Aggregates, EntityDeclaration } from "../../declare/entity.ts";
import type { AggregatesPlan, EntityPlan } from "../plan.ts";
import { planAction, planRestore, planUndo } from "./plan-action.ts";
import { planFields } from "./plan-field.ts";
import { planIndexes } from "./plan-indexes.ts";
import { planLifecycle } from "./plan-lifecycle.ts";
import { planMembers } from "./plan-members.ts";
import { singularOf, titleOf } from "./words.ts";

/**
 * Fills in one declared entity.
 * @param heldIn the entity's lists that policies look for the actor in.
 */
export function planEntity(
  entity: EntityDeclaration,
  idOf: (entity: string) => "uuid" | "serial" | null,
  heldIn: ReadonlySet<string>,
): EntityPlan {
  const singular = entity.singular ?? singularOf(entity.name);
  const title = titleOf(singular);
  const fields = planFields(entity.fields, idOf);
  const around = { entity, title, fields, idOf };
  const deletion = Object.values(entity.actions).find(({ kind }) => kind === "delete");
  const lifecycle = entity.lifecycle === null ? null : planLifecycle(entity.lifecycle);
  const members = planMembers(entity, fields, lifecycle);
  const declared = Object.entries(entity.actions).map(([name, action]) => planAction(name, action, around));
  return {
    name: entity.name,
    singular,
    title,
    id: entity.id,
    fields,
    members,
    lifecycle,
    aggregates: entity.aggregates === null ? null : planAggregates(entity.aggregates),
    read: entity.read,
    demandsVersion: entity.demandsVersion,
    evolution: entity.evolution,
    detachEvent: entity.detachEvent ?? `${title}Updated`,
    audited: entity.audited,
    actions: [
      ...declared,
      ...planUndo(entity.actions, declared, around),
      ...(deletion === undefined ? [] : [planRestore(deletion, around)]),
    ],
    indexes: planIndexes(entity.name, members, entity.read, heldIn),
    accepted: entity.accepted,
  };
}

const planAggregates = ({ group = [], of = {} }: Aggregates): AggregatesPlan => ({
  group,
  of: Object.entries(of).map(([field, measures]) => ({ field, measures: measures ?? [] })),
});
