import type { EntityPlan } from "../../plan/plan.ts";

/** The workflow of an entity as a table of text: one line for each transition, and one for each final state. */
export function workflowTable({ lifecycle }: EntityPlan): string {
  if (lifecycle === null) return "";
  const marked = (state: string) => (state === lifecycle.initial ? `${state} (initial)` : state);
  const rows = [
    ["from", "action", "to"],
    ...lifecycle.states.flatMap((state) => {
      const steps = lifecycle.transitions.filter(({ from }) => from === state);
      const lines = steps.map(({ action, to }) => [marked(state), action, to]);
      return lifecycle.final.includes(state) ? [...lines, [marked(state), "", "(final)"]] : lines;
    }),
  ];
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [from, action] = [width(0), width(1)];
  return rows
    .map(([first = "", second = "", third = ""]) => `${first.padEnd(from)}  ${second.padEnd(action)}  ${third}\n`)
    .join("");
}
