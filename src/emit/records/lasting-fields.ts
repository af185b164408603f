import type { EntityPlan, FieldPlan } from "../../plan/plan.ts";

/** What the stamps of a record's events give, and nobody changes. */
export const stampedFields: readonly string[] = ["id", "created_at"];

/**
 * The columns of an entity whose values no action changes once a record is there: as of any moment of its life they are
 * those of today. Whoever changes records by hand is not bound by this.
 */
export function lastingFields({ fields, actions, evolution }: EntityPlan): readonly string[] {
  // Steps of evolution may give an older event another value than the column has.
  if (evolution.length > 0) return stampedFields;
  const changed = new Set(actions.flatMap(({ kind, sets }) => (kind === "create" ? [] : sets)));
  const lasts = (field: FieldPlan) => !changed.has(field.name) && !field.personal && !detaches(field);
  return [...stampedFields, ...fields.filter((field) => isSearched(field) && lasts(field)).map(({ name }) => name)];
}

const isSearched = ({ filter, sort }: FieldPlan): boolean => filter || sort;

const detaches = ({ onDelete, element }: FieldPlan): boolean => onDelete === "detach" || element?.onDelete === "detach";
