import { nearest } from "../../kernel/suggestion.ts";
import { didYouMean, type Finding, type PlanVerifier } from "../finding.ts";
import type { EntityPlan, FieldPlan } from "../plan.ts";

/** A field is frozen from a state that exists, and as a whole. */
export const verifyFrozenFields: PlanVerifier = ({ entities }) =>
  entities.flatMap((entity) =>
    entity.fields.flatMap((field) => [
      ...frozenFindings(entity, field),
      ...partsOf(field, `${entity.name}.fields.${field.name}`).map(
        (path): Finding => ({
          path,
          fault: "a part of a field cannot be frozen",
          remedy: `put \`frozenFrom\` on ${field.name}`,
        }),
      ),
    ]),
  );

function frozenFindings({ name, lifecycle }: EntityPlan, field: FieldPlan): readonly Finding[] {
  const { frozenFrom } = field;
  const path = `${name}.fields.${field.name}`;
  if (frozenFrom === null) return [];
  if (field.kind === "password") {
    return [{ path, fault: "a password cannot be frozen", remedy: "remove `frozenFrom`" }];
  }
  if (lifecycle === null) {
    return [
      { path, fault: "is frozen from a state, and there is no lifecycle", remedy: "declare `lifecycle: workflow(…)`" },
    ];
  }
  if (lifecycle.states.includes(frozenFrom)) return [];
  const remedy = didYouMean(nearest(frozenFrom, lifecycle.states), `use one of: ${lifecycle.states.join(", ")}`);
  return [{ path, fault: `no state '${frozenFrom}'`, remedy }];
}

/** The paths of those parts of a field that say `frozenFrom`. */
const partsOf = (field: FieldPlan, path: string): readonly string[] => [
  ...(field.element === null ? [] : below(field.element, path)),
  ...field.fields.flatMap((part) => below(part, `${path}.${part.name}`)),
];

const below = (part: FieldPlan, path: string): readonly string[] => [
  ...(part.frozenFrom === null ? [] : [path]),
  ...partsOf(part, path),
];
