import type { Plan } from "../../plan/plan.ts";
import { workflowSourceOf } from "../../plan/workflow-source.ts";
import { literal } from "../sql-text.ts";

/** The declared workflows, told to the database: what an operator applied stays in force unless one has changed. */
export const emitTransitions = (plan: Plan): string =>
  plan.entities
    .flatMap(({ name, lifecycle }) =>
      lifecycle === null
        ? []
        : [`select gesta.declare_workflow(${literal(name)}, ${literal(JSON.stringify(workflowSourceOf(lifecycle)))});`],
    )
    .join("\n");
