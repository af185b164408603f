import { deletionOf, rulesOf } from "../delete-rules.ts";
import type { Finding, PlanVerifier } from "../finding.ts";
import type { EntityPlan, FieldPlan } from "../plan.ts";

/** What references and deletes say of each other can be done. */
export const verifyDeleteRules: PlanVerifier = ({ entities }) =>
  entities.flatMap((entity) => [
    ...rulesOf(entity).flatMap(({ field, rule, many }): readonly Finding[] => {
      const path = `${entity.name}.fields.${field.name}`;
      if (rule === "cascade" && deletionOf(entity) === undefined) {
        const remedy = `declare one with \`deletes\`, or use onDelete: "restrict"`;
        return [{ path, fault: `cascades, and ${entity.name} have no delete action`, remedy }];
      }
      if (rule !== "detach") return [];
      if (field.frozenFrom !== null) {
        return [{ path, fault: "lets go, and is frozen", remedy: "remove `frozenFrom` or use another `onDelete`" }];
      }
      if (many ? (field.min ?? 0) > 0 : !field.optional) {
        const remedy = many ? "remove `min` or use another `onDelete`" : "make it optional or use another `onDelete`";
        return [{ path, fault: "lets go, and cannot be empty", remedy }];
      }
      return [];
    }),
    ...entity.fields.flatMap((field) => nestedFindings(field, `${entity.name}.fields.${field.name}`)),
    ...waitFindings(entity),
  ]);

/** Deletes find dependents by an index on a column, and objects are no columns. */
const nestedFindings = (field: FieldPlan, path: string): readonly Finding[] => {
  const objects = field.kind === "object" ? field.fields : (field.element?.fields ?? []);
  const inner = [...objects, ...(field.element?.element == null ? [] : [field.element.element])];
  return inner.flatMap((part) => [
    ...(part.onDelete === "keep" && (part.element?.onDelete ?? "keep") === "keep"
      ? []
      : [
          {
            path: part.name === "" ? path : `${path}.${part.name}`,
            fault: "a reference inside of another value has no say in deletes",
            remedy: "remove `onDelete`, or make it a field, or a list, of the record itself",
          },
        ]),
    ...nestedFindings(part, `${path}.${part.name}`),
  ]);
};

const waitFindings = (entity: EntityPlan): readonly Finding[] => {
  const deletion = deletionOf(entity);
  const barrier = deletion?.barrier ?? null;
  if (deletion === undefined || barrier === null) return [];
  return (["wait", "notice"] as const)
    .filter((name) => barrier[name] !== null && !(barrier[name] > 0))
    .map((name) => ({
      path: `${entity.name}.actions.${deletion.name}.${name}`,
      fault: "is no time to wait",
      remedy: 'write a number and minutes, hours or days: "30 days"',
    }));
};
