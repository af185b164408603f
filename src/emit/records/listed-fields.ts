import type { EntityPlan, FieldPlan, Plan } from "../../plan/plan.ts";
import { policyCondition } from "../row-security/policy-condition.ts";
import { ident, literal } from "../sql-text.ts";
import { columnType } from "../tables/column-type.ts";

/** A name that is not here is no piece of a query, whoever asks. */
export const emitListed = (plan: Plan, entity: EntityPlan): string =>
  `-- What lists of ${entity.name} may ask about: the column to filter on and the one to sort by, the type of its values, the
-- condition under which the actor reads it, and whether there may be no value.
create or replace function app.listed_${entity.name}(field text) returns text[] language sql immutable as $$
${listedFields(plan, entity, (name) => `r.${ident(name)}`, "r")}
$$;`;

/** @param columnOf where the values stand @param judged the row that says who may read them */
export function listedFields(
  plan: Plan,
  entity: EntityPlan,
  columnOf: (name: string) => string,
  judged: string,
): string {
  const members = entity.members.filter(({ filter, sort }) => filter || sort);
  const pieces = members.map((field) => {
    const column = columnOf(field.name);
    const piece = [
      field.filter ? literal(field.kind === "email" ? `lower(${column})` : column) : "null",
      field.sort ? literal(column) : "null",
      literal(typeOf(field)),
      field.readBy === null
        ? "null"
        : literal(`(select gesta.is_system()) or ${policyCondition(plan, entity, field.readBy, judged, true)}`),
      field.optional || field.readBy !== null ? "'optional'" : "null",
    ];
    return `    when ${literal(field.name)} then array[${piece.join(", ")}]`;
  });
  return `  select case field
${pieces.join("\n")}
  end`;
}

/** What a value is read as. Numbers know no bounds here: no price is as high as 1e300, and that is an answer. */
export function typeOf(field: FieldPlan): string {
  switch (field.kind) {
    case "email":
      return "email";
    case "decimal":
    case "money":
      return "numeric";
    case "list":
      return field.element === null ? "text" : columnType(field.element).replace(' collate "C"', "");
    default:
      return columnType(field).replace(/ collate "C"|\(\d\)/g, "");
  }
}
