import type {
  DecimalOptions,
  EnumOptions,
  Field,
  Fields,
  InstantOptions,
  ReferenceOptions,
  TextOptions,
} from "../../declare/field.ts";
import type { FieldPlan } from "../plan.ts";

type AllOptions = Partial<TextOptions & DecimalOptions & InstantOptions & EnumOptions<string> & ReferenceOptions>;

/** Bounds that come with a kind where the declaration gives none. */
const limits: Partial<Record<Field["kind"], { readonly min?: number; readonly max?: number }>> = {
  text: { min: 0, max: 10_000 },
  email: { min: 3, max: 254 },
  url: { min: 9, max: 2_000 },
  password: { min: 8, max: 200 },
  list: { min: 0, max: 1_000 },
};

/** Fills in one declared field. */
export function planField(
  name: string,
  field: Field,
  idOf: (entity: string) => "uuid" | "serial" | null,
  owner: FieldPlan["setBy"] = "client",
): FieldPlan {
  // `Field` keeps the literal options for the type checker; every kind's options are a part of AllOptions.
  const options = field.options as AllOptions;
  const setBy = options.setBy ?? owner;
  return {
    name,
    kind: field.kind,
    optional: options.optional ?? false,
    default: options.default ?? null,
    example: options.example ?? null,
    unique: options.unique ?? false,
    filter: options.filter ?? false,
    sort: options.sort ?? false,
    expand: options.expand ?? false,
    personal: options.personal ?? false,
    setBy,
    readBy: options.readBy ?? null,
    frozenFrom: options.frozenFrom ?? null,
    min: options.min ?? limits[field.kind]?.min ?? null,
    max: options.max ?? limits[field.kind]?.max ?? null,
    bounded: options.max !== undefined,
    above: options.above ?? null,
    pattern: options.pattern ?? null,
    places: options.places ?? (field.kind === "decimal" || field.kind === "money" ? 2 : 0),
    values: options.values ?? [],
    after: options.after ?? null,
    target: field.target ?? null,
    mayBeUnseen: options.mayBeUnseen ?? false,
    onDelete: options.onDelete ?? "keep",
    targetId: field.target === undefined ? null : idOf(field.target),
    element: field.element === undefined ? null : planField("", field.element, idOf, "client"),
    fields: planFields(field.fields ?? {}, idOf),
  };
}

export const planFields = (fields: Fields, idOf: (entity: string) => "uuid" | "serial" | null): readonly FieldPlan[] =>
  Object.entries(fields).map(([name, field]) => planField(name, field, idOf));
