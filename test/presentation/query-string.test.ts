import { describe, expect, test } from "vitest";
import { readQuery, refuseUnknown } from "../../src/presentation/http/query-string.ts";

const malformed = expect.objectContaining({ code: "malformed" });
const invalid = (...errors: readonly object[]) => expect.objectContaining({ code: "invalid_query", told: { errors } });
const twice = (parameter: string) => ({
  parameter,
  code: "invalid_parameter",
  parameters: { expected: "must be given once" },
});

describe("a query", () => {
  test.each<[string, [string, string][]]>([
    ["/drinks", []],
    ["/drinks?", []],
    ["/drinks?&&", []],
    ["/drinks?limit=1", [["limit", "1"]]],
    ["/drinks?limit", [["limit", ""]]],
    ["/drinks?a=b=c?d", [["a", "b=c?d"]]],
    ["/drinks?name=Jack+D%20%2B%26", [["name", "Jack D +&"]]],
    ["/drinks?name=%D0%96%F0%9F%98%80", [["name", "Ж😀"]]],
    [
      "/drinks?price[gte]=10&price%5Blt%5D=20",
      [
        ["price[gte]", "10"],
        ["price[lt]", "20"],
      ],
    ],
    [
      "/drinks?&a=1&&b=2&",
      [
        ["a", "1"],
        ["b", "2"],
      ],
    ],
    ["/drinks?__proto__=1", [["__proto__", "1"]]],
  ])("%s is read", (url, pairs) => {
    expect([...readQuery(url)]).toEqual(pairs);
  });

  test.each(["a=%", "a=%4", "a=%zz", "%=1", "a=%C3%28", "a=%C0%AF", "a=%ED%A0%80", "a=%FF", "a=%00", "a%00=1"])(
    "%s is malformed",
    (text) => {
      expect(() => readQuery(`/drinks?${text}`)).toThrow(malformed);
    },
  );

  test.each(["a=Ж", "a=\u00d0\u0096", "a= ", "a=\t", "a=\0", "a=\u007f", "a=1\n"])("%j is no URL", (text) => {
    expect(() => readQuery(`/drinks?${text}`)).toThrow(malformed);
  });

  test("takes a parameter once, whatever its values and its spelling", () => {
    expect(() => readQuery("/drinks?a=1&a=1")).toThrow(invalid(twice("a")));
    expect(() => readQuery("/drinks?a=1&b=1&%61=2&c=1&b=3&a=4")).toThrow(invalid(twice("a"), twice("b")));
    expect(readQuery("/drinks?a=1&A=1").size).toBe(2);
  });

  test("takes no parameter without a name", () => {
    const fault = { parameter: "", code: "unknown_parameter" };
    for (const text of ["=", "=1", "a=1&=2", "=1&=2"]) {
      expect(() => readQuery(`/drinks?${text}`), text).toThrow(invalid(fault));
      expect(() => readQuery(`/drinks?${text}`, ["a", "b"]), text).toThrow(invalid(fault));
    }
  });

  test("with the names that are known tells all faults at once, each name once", () => {
    const known = ["skip", "limit"];
    expect([...readQuery("/drinks?limit=1", known)]).toEqual([["limit", "1"]]);
    expect(() => readQuery("/drinks?lmit=1&skip=1&zzz=1&skip=2&zzz=2", known)).toThrow(
      invalid({ parameter: "lmit", code: "unknown_parameter", suggestion: "limit" }, twice("skip"), {
        parameter: "zzz",
        code: "unknown_parameter",
      }),
    );
    expect(() => readQuery("/healthz?constructor=1", [])).toThrow(
      invalid({ parameter: "constructor", code: "unknown_parameter" }),
    );
  });

  test("has at most 1,000 parameters", () => {
    const long = Array.from({ length: 1001 }, (_, index) => `k${index}=1`).join("&");
    expect(() => readQuery(`/drinks?${long}`)).toThrow(malformed);
  });
});

describe("unknown parameters", () => {
  test("are refused all at once, with what was probably meant", () => {
    const query = readQuery("/drinks?limt=1&skip=2&nothing_like_it=3");
    expect(() => refuseUnknown(query, ["limit", "skip"])).toThrow(
      invalid(
        { parameter: "limt", code: "unknown_parameter", suggestion: "limit" },
        { parameter: "nothing_like_it", code: "unknown_parameter" },
      ),
    );
  });

  test("are not there when all are known", () => {
    expect(() => refuseUnknown(readQuery("/drinks?skip=2"), ["limit", "skip"])).not.toThrow();
    expect(() => refuseUnknown(readQuery("/drinks"), [])).not.toThrow();
  });
});
