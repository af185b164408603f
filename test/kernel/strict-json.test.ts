import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exactNumber, InexactNumber } from "../../src/kernel/exact-number.ts";
import { deepest, readJson } from "../../src/kernel/strict-json.ts";

const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

describe("readJson", () => {
  test("reads what JSON.parse reads", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8, noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value, (_, part) => (typeof part === "number" ? Math.trunc(part % 1e9) : part));
        const expected = JSON.parse(text, (_, part) => (part === 0 ? 0 : part));
        expect(readJson(text)).toEqual(expected);
      }),
      { verbose: 1 },
    );
  });

  test.each([
    "",
    " ",
    "{",
    "[1,]",
    '{"a":1,}',
    "01",
    "+1",
    ".5",
    "1.",
    "NaN",
    "'a'",
    '"\t"',
    '"\\x"',
    '"\\u12"',
    "1 2",
    "tru",
    "{a:1}",
    '{"a" 1}',
    "\u00a01",
    '"',
  ])("refuses %j", (text) => expect(() => readJson(text)).toThrow(expect.objectContaining({ code: "malformed" })));

  test("refuses a key given twice, equal values and escapes included", () => {
    for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"b":{"a":1,"a":2}}]']) {
      expect(() => readJson(text)).toThrow(/twice/);
    }
  });

  test("counts levels, and never overflows the stack", () => {
    expect(readJson(nested(deepest))).toBeDefined();
    for (const levels of [deepest + 1, 10_000, 1_000_000]) expect(() => readJson("[".repeat(levels))).toThrow(/deeper/);
  });

  test("takes __proto__ for an ordinary key", () => {
    const value = readJson('{"__proto__":{"admin":true},"constructor":1}');
    expect(Object.keys(Object(value))).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});

test.each([
  ["1.0", 1],
  ["-0", 0],
  ["0e5", 0],
  ["10", 10],
  ["1e2", 100],
  ["0.1", 0.1],
  ["9007199254740991", 9007199254740991],
  ["123456789012.345", 123456789012.345],
  ["1.50000000000000000000", 1.5],
])("%s is exact", (text, value) => expect(exactNumber(text)).toBe(value));

test.each(["1e400", "-1e400", "1e-400", "9007199254740993", "0.1234567890123456", "12345678901234567", "4.9e-324"])(
  "%s is not",
  (text) => expect(exactNumber(text)).toBeInstanceOf(InexactNumber),
);
