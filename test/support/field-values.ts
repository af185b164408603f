import fc from "fast-check";
import { type Field, type FieldKind, list, object } from "../../src/declare/field.ts";
import type { FieldPlan } from "../../src/plan/plan.ts";

/** What every field may say. */
const options = <T extends Record<string, fc.Arbitrary<unknown>>>(own: T) =>
  fc.record(
    {
      optional: fc.boolean(),
      setBy: fc.constantFrom("client" as const, "create" as const, "system" as const, "actor" as const),
      ...own,
    },
    { requiredKeys: [] },
  );

const bounds = { min: fc.constantFrom(-5, 0, 0.5, 1), max: fc.constantFrom(1, 7, 99.5), above: fc.constantFrom(-1, 0) };
const lengths = {
  min: fc.nat(3),
  max: fc.integer({ min: 4, max: 6 }),
  pattern: fc.constantFrom("[a-z]+", "\\p{L}*|x"),
};

const leafOptions: Partial<Record<FieldKind, Record<string, fc.Arbitrary<unknown>>>> = {
  text: { ...lengths, default: fc.constant("word") },
  integer: { ...bounds, default: fc.constant(1) },
  decimal: { ...bounds, places: fc.integer({ min: 0, max: 15 }) },
  money: bounds,
  boolean: { default: fc.boolean() },
  instant: {},
  date: {},
  uuid: {},
  enum: { values: fc.constantFrom(["s", "m"], ["s", "ж", ""]), default: fc.constant("s") },
  email: {},
  url: {},
  password: {},
  reference: {},
};

const leaf = (kind: FieldKind): fc.Arbitrary<Field> =>
  options(leafOptions[kind] ?? {}).map(
    // A field as the functions of the language make it; its phantom types have no value.
    (given) =>
      ({
        kind,
        options: kind === "enum" ? { values: ["s", "m"], ...given } : given,
        ...(kind === "reference" ? { target: "things" } : {}),
      }) as unknown as Field,
  );

/** A declared field of any kind with random options; lists and objects to a depth of two. */
export const anyField: fc.Arbitrary<Field> = fc.letrec<{ field: Field; leaf: Field }>((tie) => ({
  field: fc.oneof(
    { depthSize: "small", maxDepth: 2, withCrossShrink: true },
    tie("leaf"),
    fc
      .tuple(tie("field"), options({ min: fc.nat(2), max: fc.integer({ min: 2, max: 4 }) }))
      .map(([element, given]) => list(element, given)),
    fc
      .tuple(
        fc.uniqueArray(fc.constantFrom("a", "b", "some_name"), { minLength: 1 }),
        fc.array(tie("field"), { minLength: 3, maxLength: 3 }),
        options({}),
      )
      .map(([names, fields, given]) =>
        object(Object.fromEntries(names.map((name, index) => [name, fields[index] ?? list(object({}))])), given),
      ),
  ),
  leaf: fc.constantFrom(...Object.keys(leafOptions)).chain((kind) => leaf(kind as FieldKind)), // the keys are kinds
})).field;

const texts = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.string({ unit: "binary", maxLength: 4 }),
  fc.stringMatching(/^[a-z]{0,7}$/),
  fc.constantFrom("\0", "\ud800", "\udc00x", "😀😀😀", "s", "m", "ж"),
);
const numbers = fc.oneof(
  fc.integer({ min: -8, max: 110 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -9, max: 110, noNaN: true }).map((value) => Number(value.toFixed(2))),
  fc.constantFrom(0.07, 1e21, 9007199254740991, 9007199254740992, 9999999999999.99, 1e13, 999999999999999, 1e-7),
);
const moments = fc.oneof(
  fc
    .date({ noInvalidDate: true, min: new Date("0001-01-01"), max: new Date("9999-12-31") })
    .map((day) => day.toISOString()),
  fc.constantFrom(
    "2026-02-28T12:00:00Z",
    "2026-02-28t12:00:00.5z",
    "2026-02-28T12:00:00.123000+23:59",
    "2026-02-28T12:00:00.1234Z",
    "2026-02-30T12:00:00Z",
    "2016-12-31T23:59:60Z",
    "2026-02-28T24:00:00Z",
    "2026-02-28T12:00:00",
    "2026-02-28 12:00:00Z",
    "0000-01-01T00:00:00Z",
    "2026-02-28",
    "2024-02-29",
    "2025-02-29",
  ),
);

const likely: Record<FieldKind, (field: FieldPlan) => fc.Arbitrary<unknown>> = {
  text: () => texts,
  password: () =>
    fc.oneof(texts, fc.string({ minLength: 6, maxLength: 12 }), fc.string({ minLength: 199, maxLength: 202 })),
  email: () => fc.oneof(fc.emailAddress(), fc.constantFrom("a@b", "ü@ö.рф", "a b@c", "@", "a@b@c", "a@\n"), texts),
  url: () =>
    fc.oneof(
      fc.webUrl({ validSchemes: ["https"], withQueryParameters: true }),
      fc.constantFrom("https://пример.рф/ü", "HTTPS://x/%zz", "http://x", "https://", "https://a b", "https://[1"),
      texts,
    ),
  integer: () => numbers,
  decimal: () => numbers,
  money: () => numbers,
  boolean: () => fc.boolean(),
  instant: () => moments,
  date: () =>
    fc.oneof(
      moments.map((moment) => moment.slice(0, 10)),
      moments,
    ),
  uuid: () =>
    fc.oneof(
      fc.uuid(),
      fc.uuid().map((id) => id.toUpperCase()),
      texts,
    ),
  reference: ({ targetId }) => (targetId === "serial" ? numbers : fc.uuid()),
  enum: ({ values }) => fc.oneof(fc.constantFrom(...values), texts),
  list: (field) =>
    field.element === null ? fc.constant([]) : fc.array(valuesOf(field.element), { maxLength: (field.max ?? 3) + 1 }),
  object: (field) => membersOf(field.fields),
};

/** Values of a field as JSON has them: mostly such as it takes, or nearly takes. */
export const valuesOf = (field: FieldPlan): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 12, arbitrary: likely[field.kind](field) },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  );

/** An object with some of these members; rarely with one that a client must not send, or that nobody knows. */
export const membersOf = (fields: readonly FieldPlan[]): fc.Arbitrary<unknown> => {
  const sent = fields.filter(({ setBy }) => setBy === "client" || setBy === "create");
  const owned = fields.filter((field) => !sent.includes(field));
  const record = (chosen: readonly FieldPlan[], requiredKeys?: []) =>
    fc.record(Object.fromEntries(chosen.map((field) => [field.name, valuesOf(field)])), {
      ...(requiredKeys === undefined ? {} : { requiredKeys }),
    });
  return fc.oneof(
    { weight: 6, arbitrary: record(sent) },
    { weight: 3, arbitrary: record(sent, []) },
    { weight: 1, arbitrary: record([...sent, ...owned], []) },
    { weight: 1, arbitrary: record(sent).map((members) => ({ ...members, stranger: 1 })) },
  );
};
