import { describe, expect, test } from "vitest";
import { InexactNumber } from "../../src/kernel/exact-number.ts";
import { coerceForm, type FormField, readForm } from "../../src/presentation/http/form-body.ts";
import { readBody } from "../../src/presentation/http/request-body.ts";

const json = "application/json";
const form = "application/x-www-form-urlencoded";
const malformed = expect.objectContaining({ code: "malformed" });
const unsupported = expect.objectContaining({ code: "unsupported_media_type" });

describe("a body", () => {
  test("that is missing or empty is none, whatever its type says", () => {
    for (const type of [undefined, json, "text/plain", ""]) {
      expect(readBody(type, undefined)).toEqual({ kind: "none" });
      expect(readBody(type, Buffer.alloc(0))).toEqual({ kind: "none" });
    }
  });

  test.each([
    json,
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    'application/json ; charset="utf-8"',
    'application/json; profile="a;charset=latin1\\""; Charset=utf-8',
    "application/json; v=1",
    "application/json;",
    "application/json ",
  ])("of type %j is JSON", (type) => {
    expect(readBody(type, Buffer.from('{"name":"é😀"}'))).toEqual({ kind: "json", value: { name: "é😀" } });
  });

  test.each([
    undefined,
    "",
    "text/plain",
    "application/xml",
    "application/jsonx",
    "application/problem+json",
    "application/json x",
    "application/json, text/plain",
    "application/json,application/json",
    "application/json\t; charset=utf-8",
    "application/json;\tcharset=utf-8",
    " application/json",
    "application /json",
    "application/json; charset",
    "application/json; charset=",
    "application/json; charset =utf-8",
    "application/json; charset= utf-8",
    "application/json charset=utf-8",
    'application/json; charset="utf-8',
    'application/json; charset=utf-8"',
    "application/json; charset='utf-8'",
    "application/json; charset=utf-16",
    "application/json; charset=latin1",
    "application/json; charset=utf8",
    "application/json; charset=utf-8; charset=utf-8",
    "application/json; charset=utf-8; CHARSET=utf-16",
    'application/json; x="a\u00e9"',
    "multipart/form-data; boundary=x",
    `${form}; charset=windows-1251`,
  ])("of type %j is refused", (type) => {
    expect(() => readBody(type, Buffer.from("{}"))).toThrow(unsupported);
  });

  test("comes to an end on a long type", () => {
    for (const type of [" ".repeat(16_000), "; a=b".repeat(3_000), ";".repeat(16_000), `; a="${"\\".repeat(16_000)}`]) {
      expect(() => readBody(`${json}${type}\t`, Buffer.from("{}"))).toThrow(unsupported);
    }
  });

  test("of another type is refused before it is read", () => {
    expect(() => readBody("text/plain", Buffer.from([0xff]))).toThrow(unsupported);
  });

  test.each(["[]", "[1]", '"x"', "1", "null", "true"])("of JSON that is no object is given as it is: %s", (text) => {
    expect(readBody(json, Buffer.from(text))).toEqual({ kind: "json", value: JSON.parse(text) });
  });

  test.each([
    ["a byte that starts nothing", [0xff]],
    ["a sequence without an end", [0x22, 0xc3, 0x22]],
    ["an overlong sequence", [0x22, 0xc0, 0xaf, 0x22]],
    ["half of a surrogate pair", [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ["more than Unicode has", [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
    ["a byte order mark", [0xef, 0xbb, 0xbf, 0x7b, 0x7d]],
    ["a byte order mark alone", [0xef, 0xbb, 0xbf]],
    ["UTF-16 with its mark", [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
    ["UTF-16", [0x7b, 0x00, 0x7d, 0x00]],
    ["white space alone", [0x20, 0x0a]],
    ["a key twice", [...Buffer.from('{"a":1,"a":1}')]],
  ])("that cannot be read is malformed: %s", (_name, bytes) => {
    expect(() => readBody(json, Buffer.from(bytes))).toThrow(malformed);
  });

  test("of a form is pairs of text", () => {
    expect(readBody(`${form}; charset=UTF-8`, Buffer.from("name=Jack+D%26D&price=10"))).toEqual({
      kind: "form",
      pairs: new Map([
        ["name", ["Jack D&D"]],
        ["price", ["10"]],
      ]),
    });
    for (const bytes of [
      [0x61, 0x3d, 0xff],
      [0xef, 0xbb, 0xbf, 0x61],
    ]) {
      expect(() => readBody(form, Buffer.from(bytes))).toThrow(malformed);
    }
  });
});

describe("a form", () => {
  test.each<[string, [string, string[]][]]>([
    ["", []],
    ["&&", []],
    ["a", [["a", [""]]]],
    ["a=", [["a", [""]]]],
    ["=b", [["", ["b"]]]],
    ["a=b=c", [["a", ["b=c"]]]],
    [
      "&a=1&&b=2&",
      [
        ["a", ["1"]],
        ["b", ["2"]],
      ],
    ],
    [
      "a=1&b=x&a=2&%61=1",
      [
        ["a", ["1", "2", "1"]],
        ["b", ["x"]],
      ],
    ],
    ["a+b=+c%20%2B", [["a b", [" c +"]]]],
    [
      "x=%D0%96&y=Ж",
      [
        ["x", ["Ж"]],
        ["y", ["Ж"]],
      ],
    ],
    ["x=a\0%00", [["x", ["a\0\0"]]]],
    ["__proto__=1", [["__proto__", ["1"]]]],
    ["a%5Bb%5D=1", [["a[b]", ["1"]]]],
    ["a;b=1", [["a;b", ["1"]]]],
  ])("%j is read", (text, pairs) => {
    expect([...readForm(text)]).toEqual(pairs);
  });

  test.each(["a=%", "a=%1", "a=%zz", "%=1", "a=%C3%28", "a=%C3", "a=%C0%AF", "a=%ED%A0%80", "a=%u0041", "a=100%"])(
    "%s is malformed",
    (text) => {
      expect(() => readForm(text)).toThrow(malformed);
    },
  );

  test("has at most 1,000 pairs", () => {
    expect(readForm("a=1&".repeat(1000)).get("a")).toHaveLength(1000);
    expect(() => readForm("a=1&".repeat(1001))).toThrow(malformed);
    expect(() => readForm(Array.from({ length: 1001 }, (_, index) => `k${index}`).join("&"))).toThrow(malformed);
    expect(readForm("&".repeat(1_000_000)).size).toBe(0);
  });
});

describe("the values of a form", () => {
  const fields: readonly FormField[] = [
    ...["text", "email", "url", "password", "uuid", "enum", "instant", "date", "object"],
    ...["integer", "decimal", "money", "boolean", "reference"],
  ].map((kind) => ({ name: kind, kind }));
  const list = (kind: string): FormField => ({ name: "list", kind: "list", element: { name: "", kind } });
  const valuesOf = (text: string, declared = fields) => coerceForm(readForm(text), declared);

  test.each(["text", "email", "url", "password", "uuid", "enum", "instant", "date", "object", "reference"])(
    "%s stays text",
    (kind) => {
      for (const value of ["1", "true", "", "null", "{}"])
        expect(valuesOf(`${kind}=${value}`)).toEqual({ [kind]: value });
    },
  );

  test.each(["integer", "decimal", "money"])("%s becomes a number where it is written as one", (kind) => {
    for (const [text, value] of [
      ["10", 10],
      ["-1.50", -1.5],
      ["1e2", 100],
      ["-0", 0],
      ["1e400", new InexactNumber("1e400")],
      ["9007199254740993", new InexactNumber("9007199254740993")],
    ] as const) {
      expect(valuesOf(`${kind}=${text}`)).toEqual({ [kind]: value });
    }
    for (const text of [
      "",
      "ten",
      "007",
      "%2B1",
      ".5",
      "1.",
      "0x10",
      "NaN",
      "Infinity",
      "1,5",
      "+1",
      "1+",
      "1_0",
      "١",
    ]) {
      expect(valuesOf(`${kind}=${text}`)[kind], text).toBeTypeOf("string");
    }
  });

  test("a boolean is true or false and nothing that looks like it", () => {
    expect(valuesOf("boolean=true")).toEqual({ boolean: true });
    expect(valuesOf("boolean=false")).toEqual({ boolean: false });
    for (const text of ["", "1", "0", "on", "True", "yes"])
      expect(valuesOf(`boolean=${text}`)).toEqual({ boolean: text });
  });

  test("a reference to numbered records is a number", () => {
    const numbered: readonly FormField[] = [{ name: "drink_id", kind: "reference", targetId: "serial" }];
    expect(valuesOf("drink_id=7", numbered)).toEqual({ drink_id: 7 });
    expect(valuesOf("drink_id=x", numbered)).toEqual({ drink_id: "x" });
    expect(valuesOf("drink_id=7", [{ name: "drink_id", kind: "reference", targetId: "uuid" }])).toEqual({
      drink_id: "7",
    });
  });

  test("a list is its key repeated, each entry of the element's type", () => {
    expect(valuesOf("list=1", [list("integer")])).toEqual({ list: [1] });
    expect(valuesOf("list=1&list=x&list=2", [list("integer")])).toEqual({ list: [1, "x", 2] });
    expect(valuesOf("list=1&list=1", [list("text")])).toEqual({ list: ["1", "1"] });
    expect(valuesOf("list=%7B%7D", [list("object")])).toEqual({ list: ["{}"] });
    expect(valuesOf("", [list("text")])).toEqual({});
  });

  test("a single value given twice is malformed and named, equal or not, declared or not", () => {
    for (const name of ["text", "integer", "unknown", "__proto__"]) {
      expect(() => valuesOf(`${name}=1&${name}=1`)).toThrow(
        expect.objectContaining({ code: "malformed", message: `'${name}' is given twice` }),
      );
    }
    const long = "x".repeat(10_000);
    expect(() => valuesOf(`${long}&${long}`)).toThrow(/^'x{64}' is given twice$/);
  });

  test("names that nobody declared stay, for the check of the input to refuse", () => {
    const values = valuesOf("unknown=1&__proto__=2&constructor=3&a%5Bb%5D=4&=5");
    expect(Object.getPrototypeOf(values)).toBe(Object.prototype);
    expect(Object.entries(values)).toEqual([
      ["unknown", "1"],
      ["__proto__", "2"],
      ["constructor", "3"],
      ["a[b]", "4"],
      ["", "5"],
    ]);
  });
});
