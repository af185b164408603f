import type { FieldKind, FieldPlan } from "../../plan/plan.ts";
import { ident, literal } from "../sql-text.ts";
import { isArray } from "./column-type.ts";

type Check = (column: string, field: FieldPlan) => readonly string[];

const between = (measure: string, { min, max }: FieldPlan): readonly string[] => {
  if (min !== null && min > 0 && max !== null) return [`${measure} between ${min} and ${max}`];
  if (max !== null) return [`${measure} <= ${max}`];
  return min === null ? [] : [`${measure} >= ${min}`];
};

const number: Check = (column, { min, max, above }) => [
  ...(min === null ? [] : [`${column} >= ${min}`]),
  ...(above === null ? [] : [`${column} > ${above}`]),
  ...(max === null ? [] : [`${column} <= ${max}`]),
];

// `numeric(p, s)` refuses infinities by itself, but takes NaN, which counts as greater than every number.
const decimal: Check = (column, field) => [`${column} <> 'NaN'`, ...number(column, field)];

const text: Check = (column, field) => [
  ...between(`char_length(${column})`, field),
  ...(field.pattern === null ? [] : [`${column} ~ ${literal(`^(?:${field.pattern})$`)}`]),
];

const checks: Record<FieldKind, Check> = {
  text,
  email: (column, field) => [...text(column, field), `${column} like '%_@_%'`],
  url: (column, field) => [...text(column, field), `${column} ilike 'https://_%'`],
  enum: (column, { values }) => [`${column} in (${values.map(literal).join(", ")})`],
  password: () => [],
  integer: (column, field) => [
    ...number(column, field),
    ...(field.min === null || field.max === null ? [`abs(${column}) <= ${Number.MAX_SAFE_INTEGER}`] : []),
  ],
  decimal,
  money: decimal,
  boolean: () => [],
  instant: (column, { after }) => [`isfinite(${column})`, ...(after === null ? [] : [`${column} > ${ident(after)}`])],
  date: (column) => [`isfinite(${column})`],
  uuid: () => [],
  reference: () => [],
  list: (column, field) =>
    isArray(field)
      ? [...between(`cardinality(${column})`, field), `array_position(${column}, null) is null`]
      : [`jsonb_typeof(${column}) = 'array'`, ...between(`jsonb_array_length(${column})`, field)],
  object: (column) => [`jsonb_typeof(${column}) = 'object'`],
};

/** The conditions that the database holds a column to. */
export const columnChecks = (field: FieldPlan): readonly string[] => checks[field.kind](ident(field.name), field);
