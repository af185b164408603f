import fc from "fast-check";
import { describe, expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { checkInput } from "../../src/domain/check-input.ts";
import { checkValue } from "../../src/domain/check-value.ts";
import { fieldSchema, inputSchema } from "../../src/emit/json-schema/field-schema.ts";
import type { Fault } from "../../src/kernel/fault.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { planField } from "../../src/plan/transformers/plan-field.ts";
import { anyField, membersOf, valuesOf } from "../support/field-values.ts";
import { schemaChecker } from "../support/schema-check.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const ajv = schemaChecker();

/** What arrives is what JSON can carry. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/**
 * What the check refuses and no schema says, by code; everything else the two say alike.
 * - `places`: `multipleOf` divides doubles, and 0.07 / 0.01 is no whole number.
 * - `text`: NUL and lone surrogates are JSON, but no text that PostgreSQL keeps.
 * - `format`: moments finer than milliseconds or at a leap second, addresses that no URL parser takes.
 * - `after`: a rule between two fields.
 * Numbers that a double rounds are met by the reader of the body, before there is a value to check.
 */
const unsaid = ["places", "text", "format", "after"];

const sayDifferent = (schema: object, value: unknown, faults: readonly Fault[]): boolean => {
  const fits = ajv.compile(schema)(value);
  ajv.removeSchema(schema); // it would keep each of thousands
  return faults.length === 0 ? !fits : fits && faults.some(({ code }) => !unsaid.includes(code));
};

describe("what the check of inputs takes, the JSON Schema takes, and the other way round but for what no schema says", () => {
  test(`for any field and value (SEED=${seed})`, () => {
    let taken = 0;
    const sample = fc.tuple(anyField, fc.constantFrom("uuid" as const, "serial" as const)).chain(([declared, ids]) => {
      const field = planField("value", declared, () => ids);
      return fc.tuple(fc.constant(field), valuesOf(field).map(asJson));
    });
    fc.assert(
      fc.property(sample, ([field, value]) => {
        const faults: Fault[] = [];
        checkValue(field, value, "", faults);
        if (faults.length === 0) taken++;
        const schema = fieldSchema(field, true);
        expect(sayDifferent(schema, value, faults), JSON.stringify({ schema, value, faults })).toBe(false);
      }),
      { seed, numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(500);
  });

  const actions = makePlan(delivery).plan.entities.flatMap((entity) =>
    entity.actions.filter(({ input }) => input.length > 0).map((action) => ({ entity, action })),
  );

  // One exception more: in PATCH and PUT a client may send back, unchanged, what it read. The documents do not say so,
  // since they would have to list what the server decides among the inputs. Here nothing was read.
  test.each(actions)(`for the input of $action.name in $entity.name (SEED=${seed})`, ({ entity, action }) => {
    fc.assert(
      fc.property(membersOf(action.input).map(asJson), fc.boolean(), (value, some) => {
        const partial = some && action.kind === "update";
        const { faults } = checkInput(entity, action, value, null, partial);
        const schema = inputSchema(action.input, true, partial);
        expect(sayDifferent(schema, value, faults), JSON.stringify({ schema, value, faults })).toBe(false);
      }),
      { seed, numRuns: 100 },
    );
  });
});
