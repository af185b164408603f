import type { EntityPlan, FieldKind, FieldPlan } from "../../plan/plan.ts";

/** Text sorts by code point: UTF-8 bytes in the "C" collation have that order. */
const text = () => 'text collate "C"';

const types: Record<FieldKind, (field: FieldPlan) => string> = {
  text,
  email: text,
  url: text,
  enum: text,
  password: text,
  integer: () => "bigint",
  decimal: (field) => `numeric(15, ${field.places})`,
  money: (field) => `numeric(15, ${field.places})`,
  boolean: () => "boolean",
  instant: () => "timestamptz(3)",
  date: () => "date",
  uuid: () => "uuid",
  reference: (field) => (field.targetId === "serial" ? "bigint" : "uuid"),
  list: (field) => (field.element === null ? "jsonb" : (arrays[field.element.kind]?.(field.element) ?? "jsonb")),
  object: () => "jsonb",
};

/** Lists of these are arrays; all others are kept as JSON. */
const arrays: Partial<Record<FieldKind, (element: FieldPlan) => string>> = {
  text: () => 'text[] collate "C"',
  email: () => 'text[] collate "C"',
  url: () => 'text[] collate "C"',
  enum: () => 'text[] collate "C"',
  integer: () => "bigint[]",
  uuid: () => "uuid[]",
  reference: (element) => (element.targetId === "serial" ? "bigint[]" : "uuid[]"),
};

/** The fields that have a column: a password's hash lies in `gesta.secrets`, where no role of the application reads. */
export const columnsOf = (entity: EntityPlan): readonly FieldPlan[] =>
  entity.fields.filter(({ kind }) => kind !== "password");

export const columnType = (field: FieldPlan): string => types[field.kind](field);

/**
 * A text without regard to case, in the order of code points. The "C" collation knows the letters of ASCII alone, and
 * what the database's own knows depends on where it was made; ICU knows all alphabets everywhere.
 */
export const folded = (column: string): string => `(lower(${column} collate "und-x-icu") collate "C")`;

/** Whether the list is an array column, not JSON. */
export const isArray = (field: FieldPlan): boolean =>
  field.kind === "list" && field.element !== null && arrays[field.element.kind] !== undefined;

/** The largest number that the column holds: 15 digits, so many of them after the point. */
export const largest = (field: FieldPlan): number =>
  field.kind === "integer"
    ? Number.MAX_SAFE_INTEGER
    : Number(`${"9".repeat(15 - field.places)}.${"9".repeat(field.places)}`);
