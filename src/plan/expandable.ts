import { type Audience, readable } from "./audience.ts";
import type { EntityPlan, FieldPlan } from "./plan.ts";

/** A reference that may be followed, what its record is called beside it, and whose record it is. */
export interface Expandable {
  readonly field: FieldPlan;
  readonly name: string;
  readonly target: string;
}

/** What an expanded reference is called: `restaurant_id` → `restaurant`, `file_ids` → `files`; null for other names. */
export function expansionName({ name, kind }: FieldPlan): string | null {
  if (kind === "list") return /^(.+)_ids$/.exec(name)?.[1]?.concat("s") ?? null;
  return /^(.+)_id$/.exec(name)?.[1] ?? null;
}

/** The references of an entity that an audience may follow. */
export const expandableOf = (entity: EntityPlan, audience: Audience): readonly Expandable[] =>
  entity.fields.flatMap((field): readonly Expandable[] => {
    const { expand, target } = field.element ?? field;
    const name = expansionName(field);
    if (!expand || target === null || name === null) return [];
    return readable(field, audience) === "never" ? [] : [{ field, name, target }];
  });
