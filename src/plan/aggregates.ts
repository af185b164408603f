import type { FieldKind, FieldPlan, Measure } from "./plan.ts";

/** Kinds with values that many records share, and that are equal only when they are the same. */
const grouped: ReadonlySet<FieldKind> = new Set([
  ...(["enum", "boolean", "reference", "uuid", "integer", "text", "date"] as const),
]);
const numbers: ReadonlySet<FieldKind> = new Set(["integer", "decimal", "money"]);

export const measures: readonly Measure[] = ["sum", "avg", "min", "max"];

/** The parameters that ask for aggregates; every other one is a filter. */
export const ofAggregates: readonly string[] = ["group", ...measures, "limit", "cursor", "as_of", "count"];

export const groupable = ({ name, kind }: FieldPlan): boolean => name !== "id" && grouped.has(kind);

/** What can be made of a field's values, whatever is declared. */
export function measuresOf({ name, kind }: FieldPlan): readonly Measure[] {
  if (name === "id") return [];
  if (numbers.has(kind)) return measures;
  return kind === "instant" || kind === "date" ? ["min", "max"] : [];
}

/** The least number of digits after the point that an average is rounded to. */
const averagePlaces = 6;

/** Digits after the point of an average: more where the field itself has more. */
export const averagePlacesOf = ({ places }: FieldPlan): number => Math.max(averagePlaces, places);
