import { type EntityPlan, type LintRule, lintRules, type Plan } from "../../plan/plan.ts";
import { foreignWords, internalNames, stateLists, unnamedAudiences } from "./rules/documents.ts";
import { existenceOracles, openWrites, serverOwnedInputs, unboundedInputs } from "./rules/inputs.ts";
import { hiddenFilters, openPersons, plainSecrets, sequentialIds } from "./rules/records.ts";
import type { Rule, Suspicion } from "./suspicion.ts";

/** What a declaration tells strangers, and what to write instead. */
export interface LintFinding extends Suspicion {
  /** `acceptance` for an acceptance that is itself at fault; it cannot be accepted. */
  readonly rule: LintRule | "acceptance";
}

export interface AcceptedFinding extends LintFinding {
  /** The declaration's own words. */
  readonly because: string;
}

export interface LintReport {
  readonly findings: readonly LintFinding[];
  readonly accepted: readonly AcceptedFinding[];
}

const rules: Readonly<Record<LintRule, Rule>> = {
  state_list: stateLists,
  server_owned_input: serverOwnedInputs,
  sequential_id: sequentialIds,
  internal_name: internalNames,
  foreign_word: foreignWords,
  unnamed_audience: unnamedAudiences,
  unbounded_input: unboundedInputs,
  personal_open: openPersons,
  plain_secret: plainSecrets,
  hidden_filter: hiddenFilters,
  existence_oracle: existenceOracles,
  open_write: openWrites,
};

/** A reason says more than "ok". */
const shortestReason = 10;

/**
 * Reports what the public face of an application gives away. It stands here, and not among the plan's verifiers,
 * because it asks what the documents of each audience say: the plan knows no artefact that is made of it. And what it
 * finds is no mistake: the application runs, and a declaration may accept a finding with a written reason.
 */
export function lint(plan: Plan): LintReport {
  const reports = plan.entities.map((entity) => lintEntity(plan, entity));
  return {
    findings: reports.flatMap(({ findings }) => findings),
    accepted: reports.flatMap(({ accepted }) => accepted),
  };
}

function lintEntity(plan: Plan, entity: EntityPlan): LintReport {
  const found = lintRules.flatMap((rule) =>
    rules[rule](plan, entity).map((suspicion): LintFinding => ({ rule, ...suspicion })),
  );
  const acceptances = Object.entries(entity.accepted).map(([key, because = ""]) => ({ key, because }));
  const acceptanceOf = ({ rule, path }: LintFinding) =>
    acceptances.find(({ key }) => key === rule || key === `${rule} ${path}`);
  const inside = (finding: LintFinding): LintFinding => ({ ...finding, path: `${entity.name}.${finding.path}` });
  const used = new Set(found.map((finding) => acceptanceOf(finding)?.key));
  const faults = acceptances.flatMap(({ key, because }): LintFinding[] => {
    const path = `lint.accept["${key}"]`;
    if (!used.has(key)) {
      return [{ rule: "acceptance", path, reason: "there is no such finding", remedy: "remove the acceptance" }];
    }
    if (because.trim().length >= shortestReason) return [];
    return [{ rule: "acceptance", path, reason: "it gives no reason", remedy: "write why this is meant to be so" }];
  });
  return {
    findings: [...found.filter((finding) => acceptanceOf(finding) === undefined), ...faults].map(inside),
    accepted: found.flatMap((finding) => {
      const acceptance = acceptanceOf(finding);
      return acceptance === undefined ? [] : [{ ...inside(finding), because: acceptance.because }];
    }),
  };
}
