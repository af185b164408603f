import type { Application } from "../declare/application.ts";
import type { EntityDeclaration } from "../declare/entity.ts";
import type { WorkflowSource } from "../declare/workflow.ts";
import { isObject } from "../kernel/json.ts";
import { nearest } from "../kernel/suggestion.ts";
import { didYouMean, type Finding } from "./finding.ts";
import { asWorkflow, shapeFindings } from "./verifiers/workflow-shape.ts";
import { tableFindings } from "./verifiers/workflows.ts";

export type { Application } from "../declare/application.ts";

/** All mistakes of a workflow that an operator wants to apply. */
export class WorkflowFaults extends Error {
  readonly findings: readonly Finding[];

  constructor(entity: string, findings: readonly Finding[]) {
    const lines = findings.map(({ path, fault, remedy }) => `  ${path || "the file"}: ${fault}; ${remedy}`);
    super(`The workflow for '${entity}' has ${findings.length} fault(s):\n${lines.join("\n")}`);
    this.name = "WorkflowFaults";
    this.findings = findings;
  }
}

/**
 * A workflow as it was read from a file, checked against the entity whose transitions it shall be. The declaration
 * gives the words (states, actions, events), a file their connections: it may leave out states and actions, and may
 * leave a state without a way in, for that is how a state is emptied before it is removed.
 * @throws WorkflowFaults with every mistake at once
 */
export function readWorkflow(declared: Application, name: string, value: unknown): WorkflowSource {
  const entity = declared.entities.find((one) => one.name === name);
  if (entity === undefined) throw new Error(`no entity '${name}' is declared`);
  const misshapen = shapeFindings(value);
  if (misshapen.length > 0) throw new WorkflowFaults(entity.name, misshapen);
  const source = asWorkflow(value);
  const findings = [
    ...unknownStates(entity, source),
    ...tableFindings(entity, source, ""),
    ...Object.keys(source.states).flatMap((state) => choiceFindings(entity, source, state)),
  ];
  if (findings.length > 0) throw new WorkflowFaults(entity.name, findings);
  return source;
}

/** The only entity that has states of these names; where none or several do, the operator must say which is meant. */
export function entityOfWorkflow(declared: Application, value: unknown): string {
  const named = isObject(value) && isObject(value.states) ? Object.keys(value.states) : [];
  const known = declared.entities.filter(({ lifecycle }) => lifecycle !== null);
  const meant = known.filter(({ lifecycle }) => named.some((state) => Object.hasOwn(lifecycle?.states ?? {}, state)));
  const [only] = meant;
  if (only === undefined || meant.length > 1) {
    const names = (meant.length > 1 ? meant : known).map(({ name }) => name);
    throw new Error(`Whose workflow? Pass --entity with one of: ${names.join(", ")}`);
  }
  return only.name;
}

function unknownStates({ lifecycle }: EntityDeclaration, { states }: WorkflowSource): readonly Finding[] {
  const declared = Object.keys(lifecycle?.states ?? {});
  return Object.keys(states)
    .filter((state) => !declared.includes(state))
    .map((state) => ({
      path: `states.${state}`,
      fault: `no state '${state}' in the declaration`,
      remedy: didYouMean(nearest(state, declared), `use one of: ${declared.join(", ")}, or declare it first`),
    }));
}

/** Whether code can follow: it names one event for each target, and chooses where there is a choice. */
function choiceFindings(entity: EntityDeclaration, { states }: WorkflowSource, state: string): readonly Finding[] {
  return Object.entries(states[state]?.on ?? {}).flatMap(([name, to]): readonly Finding[] => {
    const action = entity.actions[name];
    const path = `states.${state}.on.${name}`;
    const targets = typeof to === "string" ? [to] : to;
    if (action?.kind !== "move") return [];
    if (typeof action.event === "object" && action.event !== null) {
      const named = Object.keys(action.event);
      return targets
        .filter((target) => Object.hasOwn(states, target) && !named.includes(target))
        .map((target) => ({
          path,
          fault: `'${name}' has no event for the target '${target}'`,
          remedy: didYouMean(nearest(target, named), `use one of: ${named.join(", ")}, or declare an event for it`),
        }));
    }
    return targets.length > 1 && action.to === null
      ? [{ path, fault: `leaves a choice, and '${name}' does not choose`, remedy: "name one state" }]
      : [];
  });
}
