import type { EntityDeclaration } from "../../declare/entity.ts";
import type { EntityPlan } from "../plan.ts";
import { planAction } from "./plan-action.ts";
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
  const lifecycle = entity.lifecycle === null ? null : planLifecycle(entity.lifecycle);
  const members = planMembers(entity, fields, lifecycle);
  return {
    name: entity.name,
    singular,
    title,
    id: entity.id,
    fields,
    members,
    lifecycle,
    read: entity.read,
    demandsVersion: entity.demandsVersion,
    audited: entity.audited,
    actions: Object.entries(entity.actions).map(([name, action]) =>
      planAction(name, action, { entity, title, fields, idOf }),
    ),
    indexes: planIndexes(entity.name, members, entity.read, heldIn),
    accepted: entity.accepted,
  };
}
