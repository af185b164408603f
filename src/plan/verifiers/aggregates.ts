import { nearest } from "../../kernel/suggestion.ts";
import { groupable, measuresOf, ofAggregates } from "../aggregates.ts";
import { didYouMean, type Finding, type PlanVerifier } from "../finding.ts";
import type { AggregatesPlan, EntityPlan } from "../plan.ts";

/** Aggregates name members that can be grouped by and measured, each once. */
export const verifyAggregates: PlanVerifier = ({ entities }) =>
  entities.flatMap((entity) =>
    entity.aggregates === null
      ? []
      : [
          ...groupFindings(entity, entity.aggregates),
          ...measureFindings(entity, entity.aggregates),
          ...clashes(entity),
        ],
  );

function groupFindings(entity: EntityPlan, { group }: AggregatesPlan): readonly Finding[] {
  const names = entity.members.filter(groupable).map(({ name }) => name);
  return group.flatMap((name, nth): readonly Finding[] => {
    const path = `${entity.name}.aggregates.group[${nth}]`;
    const member = entity.members.find((each) => each.name === name);
    if (member === undefined) return [unknown(path, name, names)];
    if (!groupable(member)) return [unfit(path, `makes no groups, being of kind ${member.kind}`, names)];
    return group.indexOf(name) < nth ? [{ path, fault: `'${name}' stands there twice`, remedy: "name it once" }] : [];
  });
}

function measureFindings(entity: EntityPlan, { of }: AggregatesPlan): readonly Finding[] {
  const names = entity.members.filter((member) => measuresOf(member).length > 0).map(({ name }) => name);
  return of.flatMap(({ field, measures }): readonly Finding[] => {
    const path = `${entity.name}.aggregates.of.${field}`;
    const member = entity.members.find((each) => each.name === field);
    if (member === undefined) return [unknown(path, field, names)];
    const known: readonly string[] = measuresOf(member);
    if (known.length === 0) return [unfit(path, `cannot be measured, being of kind ${member.kind}`, names)];
    if (measures.length === 0)
      return [{ path, fault: "measures nothing", remedy: `name some of: ${known.join(", ")}` }];
    return measures.flatMap((measure, nth): readonly Finding[] => {
      if (!known.includes(measure)) {
        const remedy = didYouMean(nearest(measure, known), `use some of: ${known.join(", ")}`);
        return [{ path: `${path}[${nth}]`, fault: `has no '${measure}', being of kind ${member.kind}`, remedy }];
      }
      return measures.indexOf(measure) < nth
        ? [{ path: `${path}[${nth}]`, fault: `'${measure}' stands there twice`, remedy: "name it once" }]
        : [];
    });
  });
}

/** A filter is a parameter beside those that ask for aggregates. */
const clashes = (entity: EntityPlan): readonly Finding[] =>
  entity.members
    .filter(({ name, filter }) => filter && ofAggregates.includes(name))
    .map(({ name }) => ({
      path: `${entity.name}.fields.${name}`,
      fault: `'${name}' is a parameter of aggregates, so it cannot be filtered on there`,
      remedy: "rename the field, or remove `filter` or `aggregates`",
    }));

const unknown = (path: string, name: string, names: readonly string[]): Finding => ({
  path,
  fault: `no field '${name}'`,
  remedy: didYouMean(nearest(name, names), among(names)),
});

const unfit = (path: string, fault: string, names: readonly string[]): Finding => ({
  path,
  fault,
  remedy: among(names),
});

const among = (names: readonly string[]): string =>
  names.length === 0 ? "remove it: no field of the entity fits" : `use one of: ${names.join(", ")}`;
