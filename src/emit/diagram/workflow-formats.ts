import type { EntityPlan } from "../../plan/plan.ts";
import { workflowSourceOf } from "../../plan/workflow-source.ts";
import { workflowDiagram } from "./workflow-diagram.ts";
import { workflowMachine } from "./workflow-machine.ts";
import { workflowTable } from "./workflow-table.ts";

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** The forms in which a workflow can be shown; `json` is the shape in which one is applied. */
export const workflowFormats = {
  mermaid: workflowDiagram,
  table: workflowTable,
  xstate: (entity) => pretty(workflowMachine(entity)),
  json: ({ lifecycle }) => pretty(lifecycle === null ? null : workflowSourceOf(lifecycle)),
} as const satisfies Readonly<Record<string, (entity: EntityPlan) => string>>;

export type WorkflowFormat = keyof typeof workflowFormats;
