import type { Application, SeedStep } from "../declare/application.ts";
import { deepFreeze } from "../kernel/freeze.ts";
import type { Behaviour, Behaviours } from "./behaviour.ts";
import { DeclarationError, type PlanVerifier, type Verifier } from "./finding.ts";
import type { Plan, SeedPlan } from "./plan.ts";
import { planEntity } from "./transformers/plan-entity.ts";
import { listsInPolicies } from "./transformers/plan-indexes.ts";
import { verifyActions } from "./verifiers/actions.ts";
import { verifyAggregates } from "./verifiers/aggregates.ts";
import { verifyDeleteRules } from "./verifiers/delete-rules.ts";
import { verifyEvolution } from "./verifiers/evolution.ts";
import { verifyFields } from "./verifiers/fields.ts";
import { verifyFrozenFields } from "./verifiers/frozen-fields.ts";
import { verifyLogin } from "./verifiers/login.ts";
import { verifyNames } from "./verifiers/names.ts";
import { verifyPersonalFields } from "./verifiers/personal-fields.ts";
import { verifyPolicies } from "./verifiers/policies.ts";
import { verifyPolicyCircles } from "./verifiers/policy-circles.ts";
import { verifyReading } from "./verifiers/reading.ts";
import { verifyReferences } from "./verifiers/references.ts";
import { verifyUndo } from "./verifiers/undo.ts";
import { verifyWorkflows } from "./verifiers/workflows.ts";

const verifiers: readonly Verifier[] = [
  verifyNames,
  verifyLogin,
  verifyReferences,
  verifyPolicies,
  verifyPolicyCircles,
  verifyWorkflows,
];
const planVerifiers: readonly PlanVerifier[] = [
  verifyFields,
  verifyReading,
  verifyAggregates,
  verifyFrozenFields,
  verifyActions,
  verifyDeleteRules,
  verifyUndo,
  verifyEvolution,
  verifyPersonalFields,
];

export interface Planned {
  readonly plan: Plan;
  readonly behaviours: Behaviours;
  readonly seed: readonly SeedPlan[];
  /** Waves of blocks of steps, made while they are done; null where the application has no large seed. */
  readonly largeSeed: ((size: number) => Iterable<Iterable<readonly SeedPlan[]>>) | null;
}

/**
 * Turns a declaration into its plan.
 * @throws DeclarationError with every fault at once.
 */
export function makePlan(declared: Application): Planned {
  const ids = new Map(declared.entities.map((entity) => [entity.name, entity.id]));
  const plan: Plan = deepFreeze({
    name: declared.name,
    entities: declared.entities.map((entity) =>
      planEntity(entity, (name) => ids.get(name) ?? null, listsInPolicies(declared, entity.name)),
    ),
    actors: declared.actors === null ? null : { login: null, ...declared.actors },
  });
  const findings = [
    ...verifiers.flatMap((verify) => verify(declared)),
    ...planVerifiers.flatMap((verify) => verify(plan)),
  ];
  if (findings.length > 0) throw new DeclarationError(declared.name, findings);
  const { seed, largeSeed } = declared;
  return {
    plan,
    behaviours: behavioursOf(declared),
    seed: seed.map(planStep),
    largeSeed:
      largeSeed === null
        ? null
        : (size) => mapped(largeSeed(size), (wave) => mapped(wave, (block) => block.map(planStep))),
  };
}

const behavioursOf = (declared: Application): Behaviours =>
  new Map(
    declared.entities.flatMap((entity) =>
      Object.entries(entity.actions).map(([name, { needs, to, decide, effects }]): [string, Behaviour] => [
        `${entity.name}.${name}`,
        // The declaration's types checked these functions against the entity; their arguments are built to match.
        { needs, to, decide, effects } as Behaviour,
      ]),
    ),
  );

const planStep = ({ entity, action, id, as, input, decided }: SeedStep): SeedPlan => ({
  entity,
  action,
  id: id ?? null,
  as: as ?? null,
  input,
  decided: decided ?? {},
});

function* mapped<T, U>(all: Iterable<T>, make: (one: T) => U): Iterable<U> {
  for (const one of all) yield make(one);
}
