import type { Application } from "../../declare/application.ts";
import type { EntityDeclaration } from "../../declare/entity.ts";
import type { Policy } from "../../declare/policy.ts";
import type { Finding, Verifier } from "../finding.ts";

/**
 * No policy leads back to its own entity. A look-up in another table is subject to that table's read policy; if this
 * one looks into the first table again, PostgreSQL refuses every such statement (42P17).
 */
export const verifyPolicyCircles: Verifier = (declared) =>
  declared.entities.flatMap((entity) => [
    ...circleFindings(declared, entity, `${entity.name}.read`, entity.read),
    ...Object.entries(entity.actions).flatMap(([name, { by }]) =>
      circleFindings(declared, entity, `${entity.name}.actions.${name}.by`, by),
    ),
  ]);

const circleFindings = (
  declared: Application,
  entity: EntityDeclaration,
  path: string,
  policy: Policy,
): readonly Finding[] =>
  waysOf(entity, policy)
    .filter(({ target }) => readingLeadsTo(declared, target, entity.name, []))
    .map(({ way, target }) => ({
      path,
      fault: `'${way}' leads back to ${entity.name}${target === entity.name ? "" : ` through the read policy of ${target}`}`,
      remedy: "keep the actor in a field of the record itself",
    }));

/** Whether whoever reads the one entity has to look into the other. */
function readingLeadsTo(declared: Application, from: string, to: string, seen: readonly string[]): boolean {
  if (from === to) return true;
  const entity = declared.entities.find(({ name }) => name === from);
  if (entity === undefined || seen.includes(from)) return false;
  return waysOf(entity, entity.read).some(({ target }) => readingLeadsTo(declared, target, to, [...seen, from]));
}

interface Way {
  readonly way: string;
  readonly target: string;
}

/** The paths of a policy that go through a reference. */
function waysOf(entity: EntityDeclaration, policy: Policy): readonly Way[] {
  switch (policy.kind) {
    case "actor_is":
    case "actor_in": {
      const [first = "", second] = policy.path.split(".");
      const target = entity.fields[first]?.target;
      return second === undefined || target === undefined ? [] : [{ way: policy.path, target }];
    }
    case "any_of":
    case "all_of":
      return policy.policies.flatMap((part) => waysOf(entity, part));
    default:
      return [];
  }
}
