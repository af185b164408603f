import type { WorkflowSource } from "../../declare/workflow.ts";
import { isObject } from "../../kernel/json.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding } from "../finding.ts";

/** Whether a value read from a file has the shape of a workflow; a declared one is held to it by its type. */
export function shapeFindings(value: unknown): readonly Finding[] {
  if (!isObject(value)) return [{ path: "", fault: "is no object", remedy: 'write { "initial": …, "states": { … } }' }];
  const findings = membersBeyond(value, ["initial", "states"], "");
  if (typeof value.initial !== "string") {
    findings.push({ path: "initial", fault: "is no text", remedy: "name the state in which a record begins" });
  }
  if (!isObject(value.states)) {
    findings.push({ path: "states", fault: "is no object", remedy: 'write { "<state>": { "on": { … } } }' });
    return findings;
  }
  for (const [state, source] of Object.entries(value.states)) findings.push(...stateFindings(state, source));
  return findings;
}

/** The value, once `shapeFindings` has nothing to say about it. */
export const asWorkflow = (value: unknown): WorkflowSource => value as WorkflowSource;

function stateFindings(state: string, source: unknown): readonly Finding[] {
  const path = `states.${state}`;
  if (!isObject(source)) {
    return [{ path, fault: "is no object", remedy: 'write { "on": { "<action>": "<state>" } } or { "final": true }' }];
  }
  const findings = membersBeyond(source, ["final", "on"], path);
  const { final, on } = source;
  if (final !== undefined && typeof final !== "boolean") {
    findings.push({ path: `${path}.final`, fault: "is neither true nor false", remedy: "write true, or leave it out" });
  }
  if (on !== undefined && !isObject(on)) {
    findings.push({ path: `${path}.on`, fault: "is no object", remedy: 'write { "<action>": "<state>" }' });
  }
  for (const [action, to] of Object.entries(isObject(on) ? on : {})) {
    const named = Array.isArray(to) ? to : [to];
    if (named.length === 0 || named.some((target) => typeof target !== "string")) {
      findings.push({
        path: `${path}.on.${action}`,
        fault: "is neither a state nor a list of states",
        remedy: 'write "<state>" or ["<state>", "<state>"]',
      });
    }
  }
  return findings;
}

const membersBeyond = (value: Readonly<Record<string, unknown>>, known: readonly string[], path: string): Finding[] =>
  Object.keys(value)
    .filter((name) => !known.includes(name))
    .map((name) => ({
      path: path === "" ? name : `${path}.${name}`,
      fault: `no member '${name}'`,
      remedy: didYouMean(nearest(name, known), `use one of: ${known.join(", ")}`),
    }));
