import type { Application } from "../../declare/application.ts";
import type { EntityDeclaration } from "../../declare/entity.ts";
import type { Field } from "../../declare/field.ts";
import type { Policy } from "../../declare/policy.ts";
import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type Verifier } from "../finding.ts";

/** Every path in a policy leads to a field that can hold an actor, and every role exists. */
export const verifyPolicies: Verifier = (declared) =>
  declared.entities.flatMap((entity) => {
    const check = (path: string, policy: Policy) => policyFindings(declared, entity, path, policy);
    return [
      ...check(`${entity.name}.read`, entity.read),
      ...Object.entries(entity.actions).flatMap(([name, action]) =>
        check(`${entity.name}.actions.${name}.by`, action.by),
      ),
      ...Object.entries(entity.fields).flatMap(
        ([name, { options }]) =>
          "readBy" in options ? check(`${entity.name}.fields.${name}.readBy`, options.readBy as Policy) : [], // FieldOptions.readBy
      ),
    ];
  });

function policyFindings(
  declared: Application,
  entity: EntityDeclaration,
  path: string,
  policy: Policy,
): readonly Finding[] {
  switch (policy.kind) {
    case "anyone":
    case "nobody":
      return [];
    case "signed_in":
      return actorsFindings(declared, path);
    case "actor_has":
      return [...actorsFindings(declared, path), ...roleFindings(declared, path, policy.roles)];
    case "actor_is":
      return [...actorsFindings(declared, path), ...pathFindings(declared, entity, path, policy.path, false)];
    case "actor_in":
      return [...actorsFindings(declared, path), ...pathFindings(declared, entity, path, policy.path, true)];
    case "any_of":
    case "all_of":
      return policy.policies.flatMap((part, index) => policyFindings(declared, entity, `${path}[${index}]`, part));
  }
}

const actorsFindings = (declared: Application, path: string): readonly Finding[] =>
  declared.actors === null
    ? [{ path, fault: "the application has no actors", remedy: "name their entity: application(…, { actors: … })" }]
    : [];

function roleFindings(declared: Application, path: string, roles: readonly string[]): readonly Finding[] {
  const users = declared.entities.find((candidate) => candidate.name === declared.actors?.entity);
  const role = users?.fields[declared.actors?.role ?? ""];
  if (role === undefined || !("values" in role.options)) return [];
  const known = role.options.values as readonly string[]; // EnumOptions.values
  return roles
    .filter((name) => !known.includes(name))
    .map((name) => ({
      path,
      fault: `no role '${name}'`,
      remedy: didYouMean(nearest(name, known), `use one of: ${known.join(", ")}`),
    }));
}

function pathFindings(
  declared: Application,
  entity: EntityDeclaration,
  path: string,
  way: string,
  many: boolean,
): readonly Finding[] {
  const [first = "", ...rest] = way.split(".");
  const actors = declared.actors?.entity;
  const cannot = (wanted: string): readonly Finding[] => [
    { path, fault: `'${way}' cannot hold an actor`, remedy: `point to ${wanted}` },
  ];
  // An id is an actor's id in the actors' own entity alone, reached through a reference or not.
  if (first === "id" && rest.length === 0 && !many) {
    return entity.name === actors ? [] : cannot(`a reference to '${actors}'`);
  }
  const field = entity.fields[first];
  if (field === undefined) {
    const names = ["id", ...Object.keys(entity.fields)];
    const remedy = didYouMean(nearest(first, names), `use one of: ${names.join(", ")}`);
    return [{ path, fault: `no field '${first}' in ${entity.name}`, remedy }];
  }
  if (rest.length > 0) {
    const target = declared.entities.find((candidate) => candidate.name === field.target);
    if (target === undefined) {
      return [{ path, fault: `'${first}' is no reference`, remedy: "start the path with a reference field" }];
    }
    if (rest.length > 1) return [{ path, fault: `'${way}' is too long`, remedy: "follow one reference at most" }];
    return pathFindings(declared, target, path, rest.join("."), many);
  }
  const holder: Field | undefined = many ? field.element : field;
  if (holder?.target === actors) return [];
  return cannot(many ? `a list of references to '${actors}'` : `a reference to '${actors}'`);
}
