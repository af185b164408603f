import type { EntityDeclaration } from "../../declare/entity.ts";
import type { WorkflowSource } from "../../declare/workflow.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type Verifier } from "../finding.ts";

/** Every state and action that a workflow names exists, every state can be reached, and final ones have no way out. */
export const verifyWorkflows: Verifier = ({ entities }) => entities.flatMap(entityFindings);

function entityFindings(entity: EntityDeclaration): readonly Finding[] {
  const moves = Object.entries(entity.actions).filter(([, action]) => action.kind === "move");
  if (entity.lifecycle === null) {
    return moves.map(([name]) => ({
      path: `${entity.name}.actions.${name}`,
      fault: "moves a record that has no lifecycle",
      remedy: "declare `lifecycle: workflow(…)`",
    }));
  }
  const path = `${entity.name}.lifecycle`;
  const states = Object.keys(entity.lifecycle.states);
  return [
    ...tableFindings(entity, entity.lifecycle, `${path}.`),
    ...unreachedFindings(entity.lifecycle, path),
    ...moves.flatMap(([name, action]) => moveFindings(entity, states, name, action)),
  ];
}

/** What is wrong with a table of transitions, whoever wrote it. Paths begin with `prefix`. */
export function tableFindings(
  entity: EntityDeclaration,
  { initial, states }: WorkflowSource,
  prefix: string,
): readonly Finding[] {
  const names = Object.keys(states);
  const noState = (where: string, state: string): Finding => ({
    path: where,
    fault: `no state '${state}'`,
    remedy: didYouMean(nearest(state, names), `use one of: ${names.join(", ")}`),
  });
  const actions = Object.entries(entity.actions).flatMap(([name, { kind }]) => (kind === "move" ? [name] : []));
  const findings: Finding[] = names.includes(initial) ? [] : [noState(`${prefix}initial`, initial)];
  for (const [state, { final, on }] of Object.entries(states)) {
    if (final === true && on !== undefined) {
      findings.push({
        path: `${prefix}states.${state}`,
        fault: "a final state has a way out",
        remedy: "remove `final` or `on`",
      });
    }
    if (final !== true && Object.keys(on ?? {}).length === 0) {
      findings.push({
        path: `${prefix}states.${state}`,
        fault: "no way leads out",
        remedy: 'add transitions or `"final": true`',
      });
    }
    for (const [action, to] of Object.entries(on ?? {})) {
      const where = `${prefix}states.${state}.on.${action}`;
      if (!actions.includes(action)) {
        const remedy = didYouMean(
          nearest(action, actions),
          `declare it with \`moves\`, or use one of: ${actions.join(", ")}`,
        );
        findings.push({ path: where, fault: `no action '${action}' that moves ${entity.name}`, remedy });
      }
      for (const [index, target] of (typeof to === "string" ? [to] : to).entries()) {
        if (!names.includes(target))
          findings.push(noState(typeof to === "string" ? where : `${where}[${index}]`, target));
      }
    }
  }
  return findings;
}

function unreachedFindings({ initial, states }: WorkflowSource, path: string): readonly Finding[] {
  const targets = new Set([initial, ...Object.values(states).flatMap(({ on }) => Object.values(on ?? {}).flat())]);
  return Object.keys(states)
    .filter((name) => !targets.has(name))
    .map((state) => ({
      path: `${path}.states.${state}`,
      fault: "no transition leads here",
      remedy: "add one or remove the state",
    }));
}

function moveFindings(
  entity: EntityDeclaration,
  states: readonly string[],
  name: string,
  action: EntityDeclaration["actions"][string],
): readonly Finding[] {
  const path = `${entity.name}.actions.${name}`;
  const ways = Object.values(entity.lifecycle?.states ?? {}).flatMap(({ on }) => on?.[name] ?? []);
  if (ways.length === 0) {
    return [
      { path, fault: "the workflow has no transition for it", remedy: `add "${name}" to the states it starts from` },
    ];
  }
  if (typeof action.event === "object" && action.event !== null) {
    const named = Object.keys(action.event);
    return [
      ...named
        .filter((state) => !ways.includes(state))
        .map((state) => ({
          path: `${path}.${state}`,
          fault: states.includes(state) ? `the workflow never leads '${name}' to '${state}'` : `no state '${state}'`,
          remedy: didYouMean(nearest(state, ways), `use one of: ${ways.join(", ")}`),
        })),
      ...ways
        .filter((state) => !named.includes(state))
        .map((state) => ({ path, fault: `no event for the target '${state}'`, remedy: `name one: ${state}: "…"` })),
    ];
  }
  const choice = Object.values(entity.lifecycle?.states ?? {}).some(
    ({ on }) => typeof on?.[name] === "object" && on[name].length > 1,
  );
  return choice && action.to === null
    ? [{ path, fault: "the workflow leaves a choice of targets", remedy: "decide with `to`" }]
    : [];
}
