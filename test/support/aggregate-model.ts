import { type BookRecord, compared } from "./reading-model.ts";

/** Digits after the point that sums of books are told in, and averages rounded to. */
const places = 6;

/** A decimal as a whole number of its last places, so that nothing is lost. */
const whole = (value: unknown): bigint => BigInt(Math.round(Number(value) * 10 ** places));

const number = (units: bigint): number => Number(units) / 10 ** places;

/** The quotient, rounded half away from zero. */
function rounded(sum: bigint, count: bigint): bigint {
  const twice = (sum < 0n ? -sum : sum) * 2n + count;
  const quotient = twice / (count * 2n);
  return sum < 0n ? -quotient : quotient;
}

function measured(measure: string, field: string, records: readonly BookRecord[]): unknown {
  const values = records.map((record) => record[field] ?? null).filter((value) => value !== null);
  if (values.length === 0) return null;
  const inOrder = [...values].sort((a, b) => compared(field, a, b));
  switch (measure) {
    case "min":
      return inOrder[0];
    case "max":
      return inOrder.at(-1);
  }
  const sum = values.map(whole).reduce((a, b) => a + b);
  return number(measure === "sum" ? sum : rounded(sum, BigInt(values.length)));
}

/** Groups of records in the order of their values, none last; what the caller cannot see of a record is no value. */
export function groupsOf(
  records: readonly BookRecord[],
  group: readonly string[],
  measures: readonly (readonly [string, readonly string[]])[],
): readonly object[] {
  const groups = new Map<string, BookRecord[]>();
  if (group.length === 0) groups.set("[]", []);
  for (const record of records) {
    const key = JSON.stringify(group.map((name) => record[name] ?? null));
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  const keyed = [...groups].map(([key, members]) => ({ key: JSON.parse(key) as readonly unknown[], members })); // made above
  return keyed
    .sort((a, b) => {
      for (const [nth, field] of group.entries()) {
        const [left, right] = [a.key[nth] ?? null, b.key[nth] ?? null];
        if (left === null || right === null) {
          if (left !== right) return left === null ? 1 : -1;
        } else if (compared(field, left, right) !== 0) return compared(field, left, right);
      }
      return 0;
    })
    .map(({ key, members }) => ({
      group: Object.fromEntries(group.map((name, nth) => [name, key[nth]])),
      count: members.length,
      ...Object.fromEntries(
        measures.map(([measure, fields]) => [
          measure,
          Object.fromEntries(fields.map((field) => [field, measured(measure, field, members)])),
        ]),
      ),
    }));
}
