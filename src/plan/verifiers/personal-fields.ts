import type { Finding, PlanVerifier } from "../finding.ts";
import type { FieldPlan } from "../plan.ts";
import { personalFields } from "../purging.ts";

/** What is declared personal can be sealed in events, and removed from records. */
export const verifyPersonalFields: PlanVerifier = ({ entities }) =>
  entities.flatMap((entity) => [
    ...personalFields(entity).flatMap((field): readonly Finding[] => {
      const path = `${entity.name}.fields.${field.name}`;
      if (entity.id === "serial") {
        const remedy = 'use id: "uuid": a value is sealed for its record before the database would number it';
        return [{ path, fault: "is personal, and the ids are serial", remedy }];
      }
      if ((field.element ?? field).kind === "reference") {
        const remedy = "remove `personal`: a reference is a fact that stays, what it points to has fields of its own";
        return [{ path, fault: "is personal, and a reference", remedy }];
      }
      return [];
    }),
    ...entity.fields.flatMap((field) => insideOf(field, `${entity.name}.fields.${field.name}`)),
  ]);

const insideOf = (field: FieldPlan, path: string): readonly Finding[] =>
  [...(field.element === null ? [] : [field.element]), ...field.fields].flatMap((part) => {
    const place = part.name === "" ? path : `${path}.${part.name}`;
    const own = {
      path: place,
      fault: "is personal inside of another value",
      remedy: "make the whole field `personal`",
    };
    return [...(part.personal ? [own] : []), ...insideOf(part, place)];
  });
