import type { Plan } from "../../plan/plan.ts";
import { literal } from "../sql-text.ts";

/** The transitions of all entities, as rows of `gesta.workflow`. */
export function emitTransitions(plan: Plan): string {
  const rows = plan.entities.flatMap(({ name, lifecycle }) =>
    (lifecycle?.transitions ?? []).map(
      ({ action, from, to }) => `  (${[name, action, from, to].map(literal).join(", ")})`,
    ),
  );
  const insert =
    rows.length === 0
      ? ""
      : `\ninsert into gesta.workflow (entity, action, from_state, to_state) values\n${rows.join(",\n")};`;
  return `delete from gesta.workflow;${insert}`;
}
