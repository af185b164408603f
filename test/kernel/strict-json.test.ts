import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exactNumber, InexactNumber, isNumberText } from "../../src/kernel/exact-number.ts";
import { readJson } from "../../src/kernel/strict-json.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const megabyte = 1_000_000;

const malformed = (en: string = expect.any(String)) =>
  expect.objectContaining({ code: "malformed", told: { detail: { en, ru: expect.any(String) } } });
const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

/** As text, so that members such as `__proto__` and their order count. */
const shown = (value: unknown): string =>
  JSON.stringify(value, (_, entry) => (entry instanceof InexactNumber ? Number(entry.source) : entry));

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe("strict JSON", () => {
  test.each([
    ["{}", {}],
    ["[]", []],
    [' \t\r\n{ "a" : [ 1 , "x" , true , false , null ] } \n', { a: [1, "x", true, false, null] }],
    ['""', ""],
    ['"\u007f\u2028é😀"', "\u007f\u2028é😀"],
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00"', '"\\/\b\f\n\r\té😀'],
    ['"\\u0000"', "\0"],
    ['"\\ud800"', "\ud800"],
    ['"x\\udc00"', "x\udc00"],
    ['{"":{"":1}}', { "": { "": 1 } }],
    ["-1.5E+2", -150],
  ])("reads %s", (text, value) => {
    expect(readJson(text)).toEqual(value);
  });

  test.each([
    ["", "the text ends, expected a value (line 1, column 1)"],
    [" \n", "the text ends, expected a value (line 2, column 1)"],
    ["tru", "expected a value (line 1, column 1)"],
    ["nul", "expected a value (line 1, column 1)"],
    ["NaN", "expected a value (line 1, column 1)"],
    ["+1", "expected a value (line 1, column 1)"],
    [".5", "expected a value (line 1, column 1)"],
    ["'x'", "expected a value (line 1, column 1)"],
    ["\u00a01", "expected a value (line 1, column 1)"],
    ["\ufeff1", "expected a value (line 1, column 1)"],
    ["/*c*/1", "expected a value (line 1, column 1)"],
    ["01", "something follows the value (line 1, column 2)"],
    ["truex", "something follows the value (line 1, column 5)"],
    ["1\0", "something follows the value (line 1, column 2)"],
    ["1 2", "something follows the value (line 1, column 3)"],
    ["-", "the text ends, expected a digit (line 1, column 2)"],
    ["-x", "expected a digit (line 1, column 2)"],
    ["1.", "the text ends, expected a digit (line 1, column 3)"],
    ["1e+", "the text ends, expected a digit (line 1, column 4)"],
    ["[1.e2]", "expected a digit (line 1, column 4)"],
    ["{", "the text ends, expected a key in quotes (line 1, column 2)"],
    ["{a:1}", "expected a key in quotes (line 1, column 2)"],
    ['{"a":1,}', "expected a key in quotes (line 1, column 8)"],
    ['{"a" 1}', "expected `:` (line 1, column 6)"],
    ['{\n  "a": 1\n  "b": 2\n}', "expected `,` or `}` (line 3, column 3)"],
    ["[1,]", "expected a value (line 1, column 4)"],
    ["[1 2]", "expected `,` or `]` (line 1, column 4)"],
    ["[1}", "expected `,` or `]` (line 1, column 3)"],
    ["[1", "the text ends, expected `,` or `]` (line 1, column 3)"],
    ['["ab', "a string without an end (line 1, column 2)"],
    ['"\\', "a string without an end (line 1, column 1)"],
    ['"\\"', "a string without an end (line 1, column 1)"],
    ['"a\tb"', "a control character that is not escaped (line 1, column 3)"],
    ['"a\nb"', "a control character that is not escaped (line 1, column 3)"],
    ['"\\x"', "an invalid escape in a string (line 1, column 1)"],
    ['"\\u12"', "an invalid escape in a string (line 1, column 1)"],
    ['"\\\n"', "an invalid escape in a string (line 1, column 1)"],
  ])("refuses %j", (text, message) => {
    expect(() => readJson(text)).toThrow(malformed(message));
  });

  test("refuses a key twice in one object, equal values and other spellings too, and nowhere else", () => {
    for (const text of [
      '{"a":1,"a":2}',
      '{"a":1,"a":1}',
      '{"a":1,"\\u0061":1}',
      '{"1":1,"1":1}',
      '{"__proto__":1,"__proto__":1}',
      '{"constructor":1,"b":2,"constructor":1}',
      '[{"x":{"a":1,"b":2,"a":3}}]',
    ]) {
      expect(() => readJson(text), text).toThrow(malformed(expect.stringContaining("the same key twice")));
    }
    expect(readJson('{"a":{"a":1},"b":[{"a":1},{"a":1}]}')).toEqual({ a: { a: 1 }, b: [{ a: 1 }, { a: 1 }] });
  });

  test("keeps what every object has by nature as ordinary members", () => {
    const text = '{"__proto__":{"admin":true},"constructor":{"prototype":1},"toString":1,"hasOwnProperty":null}';
    const value = readJson(text);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value as object)).toEqual(["__proto__", "constructor", "toString", "hasOwnProperty"]);
    expect(JSON.stringify(value)).toBe(text);
    expect("admin" in {}).toBe(false);
  });

  test("takes 32 levels and no more", () => {
    const objects = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
    for (const text of [nested(32), objects(32), `{"a":${nested(31)}}`, `[${nested(31)},${nested(31)}]`]) {
      expect(readJson(text)).toEqual(JSON.parse(text));
    }
    for (const text of [nested(33), objects(33), `{"a":${nested(32)}}`, `[[],${nested(32)}]`]) {
      expect(() => readJson(text)).toThrow(malformed(expect.stringContaining("deeper than 32 levels")));
    }
  });

  test("comes to an end on a megabyte of anything", () => {
    for (const text of ["[", '{"a":', '[{"":', "-", "\\", '"', '"\\', '"\\"', "\n", "1", "0", "0.", "[0,"]) {
      const long = text.repeat(megabyte / text.length);
      if (!isJson(long)) expect(() => readJson(long), text).toThrow(malformed());
    }
    const zeros = "0".repeat(megabyte);
    for (const text of [`1${zeros}1`, `0.${zeros}1`, `1.${zeros}1e1`, "1".repeat(megabyte), `1e${zeros}400`]) {
      expect(readJson(text)).toBeInstanceOf(InexactNumber);
      expect(readJson(`-${text}`)).toBeInstanceOf(InexactNumber);
    }
    for (const text of [`0.${zeros}`, `-0.${zeros}e9`, `0e${zeros}`]) expect(readJson(text)).toBe(0);
  });

  test("says where, and hardly anything of what was sent", () => {
    const secret = "s3cret".repeat(100);
    for (const text of [`{"a":"${secret}`, `{"${secret}":1,"${secret}":1}`, `"${secret}\\x"`, `[1,${secret}]`]) {
      expect(() => readJson(text)).toThrow(malformed(expect.not.stringContaining("s3cret")));
    }
  });

  test(`agrees with JSON.parse about every JSON text (SEED=${seed})`, () => {
    const spaces = fc.constantFrom("", " ", "\t", "\r\n ");
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), spaces, fc.boolean(), (value, space, escaped) => {
        const plain = JSON.stringify(value, null, space);
        const escaping = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
        const text = escaped ? plain.replace(/[\u0080-\uffff]/g, escaping) : plain;
        expect(shown(readJson(text))).toBe(shown(JSON.parse(text)));
      }),
      { seed, numRuns: 2000 },
    );
  });

  test(`takes no text that JSON.parse refuses, and refuses no other but for a repeated key (SEED=${seed})`, () => {
    const pieces = fc.constantFrom(
      ...'{}[]:,"\\0123456789+-.eE \t\nulxtrfase\u00a0\0',
      "\\u00",
      '"a":',
      "null",
      "__proto__",
    );
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat(3), pieces, (json, place, removed, piece) => {
        const start = place % (json.length + 1);
        const text = json.slice(0, start) + piece + json.slice(start + removed);
        let read: unknown;
        try {
          read = readJson(text);
        } catch (error) {
          expect(error).toEqual(isJson(text) ? malformed(expect.stringContaining("the same key twice")) : malformed());
          return;
        }
        expect(shown(read)).toBe(shown(JSON.parse(text)));
      }),
      { seed, numRuns: 5000 },
    );
  });
});

describe("a number that a double keeps", () => {
  test.each([
    ["0", 0],
    ["-0", 0],
    ["-0.000", 0],
    ["0e400", 0],
    ["-0E-99999", 0],
    ["1.0", 1],
    ["0.1", 0.1],
    ["-12.50", -12.5],
    ["1e2", 100],
    ["123456789012345", 123456789012345],
    ["1.23456789012345", 1.23456789012345],
    ["0.00123456789012345", 0.00123456789012345],
    ["123456789012345000000", 123456789012345000000],
    ["1.00000000000000000000", 1],
    ["100000000000000000000", 1e20],
    ["9007199254740991", 9007199254740991],
    ["-9007199254740991", -9007199254740991],
    ["9007199254740991.000", 9007199254740991],
    ["9.007199254740991e15", 9007199254740991],
    ["1e308", 1e308],
    ["1e-307", 1e-307],
    ["2.22507385850721e-308", 2.22507385850721e-308],
    ["123456789012.345", 123456789012.345],
    ["1.50000000000000000000", 1.5],
  ])("%s is exact", (text, value) => {
    expect(Object.is(exactNumber(text), value)).toBe(true);
    expect(Object.is(readJson(text), value)).toBe(true);
  });

  test.each([
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "9007199254740990.99999",
    "900719925474099.1",
    "1234567890123456.5",
    "1.234567890123456",
    "0.1234567890123456",
    "1.0000000000000001",
    "1234567890123456000",
    "1e400",
    "-1e400",
    "1e-400",
    "4.9e-324",
    "5e-324",
    "2.22507385850720e-308",
    "12345678901234567",
    "1234567890123456789012345e-20",
    "123456789e-324",
    "1e99999999999999999999",
  ])("%s is not", (text) => {
    expect(readJson(text)).toEqual(new InexactNumber(text));
    expect(exactNumber(text)).toEqual(new InexactNumber(text));
  });

  test(`has at most 15 significant digits, or is a safe integer (SEED=${seed})`, () => {
    const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 19 });
    fc.assert(
      fc.property(digits, fc.integer({ min: -25, max: 25 }), fc.nat(19), (mantissa, exponent, places) => {
        const whole = mantissa.slice(0, -places || undefined).replace(/^0+(?=\d)/, "") || "0";
        const fraction = places === 0 ? "" : mantissa.slice(-places);
        const text = `${whole}${fraction && `.${fraction}`}${exponent === 0 ? "" : `e${exponent}`}`;
        const shift = exponent - fraction.length;
        const integer = BigInt(whole + fraction) * 10n ** BigInt(Math.max(0, shift));
        const divisor = 10n ** BigInt(Math.max(0, -shift));
        const isSafe = integer % divisor === 0n && integer / divisor <= BigInt(Number.MAX_SAFE_INTEGER);
        const significant = (whole + fraction).replace(/^0+/, "").replace(/0+$/, "");
        const expected = significant.length <= 15 || isSafe ? Number(text) : new InexactNumber(text);
        expect(isNumberText(text)).toBe(true);
        expect(exactNumber(text)).toEqual(expected);
      }),
      { seed, numRuns: 5000 },
    );
  });

  test("is written as JSON writes numbers", () => {
    for (const text of ["0", "-1", "10.50", "1e5", "1E+5", "1.5e-5"]) expect(isNumberText(text), text).toBe(true);
    for (const text of ["", "007", "-", "+1", ".5", "1.", "1e", "0x10", "1_000", "1,5", " 1", "1\n", "Infinity", "١"]) {
      expect(isNumberText(text), text).toBe(false);
    }
  });
});
