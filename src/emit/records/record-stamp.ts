import { createHash } from "node:crypto";
import type { EntityPlan, Plan } from "../../plan/plan.ts";
import { policyCondition } from "../row-security/policy-condition.ts";
import { columnsOf } from "../tables/column-type.ts";
import { emitRecordJson } from "./record-json.ts";

/**
 * What a record's JSON depends on, as an SQL expression: '<version>.<transaction that wrote the row>.<form>', and a digit
 * for each field with readers of its own. Whoever knows the JSON with this stamp need not be sent it again. The version
 * would do, were it not that a superuser can change a row behind the back of all triggers, and that a process may go on
 * after the next version of the application has come, which shows other fields, or the same to others.
 * @param row the alias of the table; a row as a value does not know who wrote it.
 */
export function recordStamp(plan: Plan, entity: EntityPlan, row: string): string {
  const masks = columnsOf(entity).flatMap(({ readBy }) =>
    readBy === null
      ? []
      : [`case when (select gesta.is_system()) or ${policyCondition(plan, entity, readBy, row)} then 1 else 0 end`],
  );
  return `concat(${[stateOf(plan, entity, row), ...masks].join(", ")})`;
}

/** The same for a record as decisions need it: whole, whoever asks. */
export const wholeStamp = (plan: Plan, entity: EntityPlan, row: string): string =>
  `concat(${stateOf(plan, entity, row)})`;

function stateOf(plan: Plan, entity: EntityPlan, row: string): string {
  const form = createHash("sha256").update(emitRecordJson(plan, entity)).digest("base64url").slice(0, 4);
  return `${row}.version, '.', ${row}.xmin, '.${form}'`;
}
