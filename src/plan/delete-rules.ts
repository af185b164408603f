import type { ActionPlan, EntityPlan, FieldPlan, OnDelete, Plan } from "./plan.ts";

/** A reference that has a say when the record it points to is deleted. */
export interface DeleteRule {
  readonly entity: EntityPlan;
  readonly field: FieldPlan;
  readonly target: string;
  readonly rule: Exclude<OnDelete, "keep">;
  /** Whether the field is a list of references. */
  readonly many: boolean;
}

const ruleOf = (entity: EntityPlan, field: FieldPlan): readonly DeleteRule[] => {
  const many = field.kind === "list";
  const { target, onDelete: rule } = (many ? field.element : field) ?? field;
  return target === null || rule === "keep" ? [] : [{ entity, field, target, rule, many }];
};

/** The references of an entity's own records that have a say. */
export const rulesOf = (entity: EntityPlan): readonly DeleteRule[] =>
  entity.fields.flatMap((field) => ruleOf(entity, field));

/** All references of an application that have a say in deletes. */
export const deleteRules = (plan: Plan): readonly DeleteRule[] => plan.entities.flatMap(rulesOf);

/** Whether a record's deletion may concern other records. */
export const isLinked = (plan: Plan, entity: EntityPlan): boolean =>
  deleteRules(plan).some(({ target }) => target === entity.name);

export const deletionOf = (entity: EntityPlan): ActionPlan | undefined =>
  entity.actions.find(({ kind }) => kind === "delete");

/** What a deleted record shows besides its members: since when it is deleted, and where it is planned, until when it can come back. */
export const deletionStamps = (entity: EntityPlan): readonly ("deleted_at" | "purge_at")[] =>
  (deletionOf(entity)?.barrier?.wait ?? null) === null ? ["deleted_at"] : ["deleted_at", "purge_at"];

/** Whether Gesta itself empties fields of the record when another one is deleted. */
export const letsGo = (entity: EntityPlan): boolean => rulesOf(entity).some(({ rule }) => rule === "detach");

/** Whether something may stand in the way of deleting a record, or of deleting what goes with it. */
export function canBeBlocked(plan: Plan, entity: EntityPlan): boolean {
  const rules = deleteRules(plan);
  const taken = [entity.name];
  for (const name of taken) {
    const onIt = rules.filter(({ target }) => target === name);
    if (onIt.some(({ rule }) => rule === "restrict")) return true;
    taken.push(
      ...onIt.flatMap(({ entity: other, rule }) =>
        rule === "cascade" && !taken.includes(other.name) ? [other.name] : [],
      ),
    );
  }
  return false;
}
