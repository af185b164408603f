import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type PlanVerifier } from "../finding.ts";
import type { EntityPlan, Upcast } from "../plan.ts";

/** What an older event becomes is something that the entity has now, or that a later step goes on with. */
export const verifyEvolution: PlanVerifier = ({ entities }) =>
  entities.flatMap((entity) =>
    entity.evolution.flatMap((steps, index) =>
      steps.flatMap((step) => {
        const path = `${entity.name}.evolution.${index}`;
        const later = [...steps.slice(steps.indexOf(step) + 1), ...entity.evolution.slice(index + 1).flat()];
        return findingsOf(entity, step, later).map((finding): Finding => ({ path, ...finding }));
      }),
    ),
  );

const stamps = ["id", "version", "created_at", "updated_at", "deleted_at"];

function findingsOf(entity: EntityPlan, step: Upcast, later: readonly Upcast[]): readonly Omit<Finding, "path">[] {
  const touched = step.kind === "renamed" ? [step.from, step.to] : [step.name];
  const stamp = touched.find((name) => stamps.includes(name));
  if (stamp !== undefined) {
    return [{ fault: `'${stamp}' is the same in every event`, remedy: "name a field of the entity, or `status`" }];
  }
  // A personal value is sealed for its field: under another name it could not be opened.
  const personal = entity.fields.find(({ name, personal }) => personal && touched.includes(name));
  if (personal !== undefined) {
    return [{ fault: `'${personal.name}' is personal, and sealed under its name`, remedy: "leave the field as it is" }];
  }
  if (step.kind === "dropped") return [];
  const target = step.kind === "renamed" ? step.to : step.name;
  const names = [
    ...(entity.lifecycle === null ? [] : ["status"]),
    ...entity.fields.filter(({ kind }) => kind !== "password").map(({ name }) => name),
    ...later.map((other) => (other.kind === "renamed" ? other.from : other.name)),
  ];
  return names.includes(target)
    ? []
    : [
        {
          fault: `no field '${target}'`,
          remedy: didYouMean(nearest(target, names), `use one of: ${names.join(", ")}`),
        },
      ];
}
