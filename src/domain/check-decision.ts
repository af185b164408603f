import type { Fault } from "../kernel/fault.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { EntityPlan, FieldPlan } from "../plan/plan.ts";
import { checkValue } from "./check-value.ts";
import { pointTo } from "./pointer.ts";

const wholeFields = new WeakMap<FieldPlan, FieldPlan>();

/** Everything belongs to the system here: a decided value is checked whole. Made once for each field of a plan. */
function whole(field: FieldPlan): FieldPlan {
  const known = wholeFields.get(field);
  if (known !== undefined) return known;
  const made: FieldPlan = {
    ...field,
    element: field.element === null ? null : whole(field.element),
    fields: field.fields.map((part) => whole({ ...part, setBy: "client" })),
  };
  wholeFields.set(field, made);
  return made;
}

/** Holds what an action decided to the same rules as what a client sends: a price may not overflow either. */
export const checkDecision = (entity: EntityPlan, set: JsonObject, complete: boolean): readonly Fault[] => {
  const faults: Fault[] = [];
  for (const field of entity.fields) {
    if (field.kind === "password" || (!complete && !Object.hasOwn(set, field.name))) continue;
    checkValue(whole(field), set[field.name], pointTo("", field.name), faults);
  }
  return faults;
};
