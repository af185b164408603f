import { describe, expect, test } from "vitest";
import { readDuration } from "../../src/kernel/duration.ts";
import { newSubjectKey, open, seal } from "../../src/kernel/sealing.ts";

const place = { stream: "01a20e91-cfc8-74d6-bd62-9408504c6fa8", version: 3, field: "email" };

describe("a sealed value", () => {
  const key = newSubjectKey();

  test.each([["kim@example.com"], [7], [true], [null], [["a", { b: "\u2028é" }]]])(
    "%j comes out as it went in",
    (value) => {
      const { sealed, version } = seal(key, place, value);
      expect(version).toBe(3);
      expect(open(key, place, sealed)).toEqual(value);
    },
  );

  test("is another text each time, with vector and tag before it", () => {
    const texts = [1, 2].map(() => seal(key, place, "kim").sealed);
    expect(texts[0]).not.toBe(texts[1]);
    expect(Buffer.from(texts[0] ?? "", "base64")).toHaveLength(12 + 16 + '"kim"'.length);
  });

  test.each([
    ["another stream", { ...place, stream: "01a20e91-cfc8-74d6-bd62-9408504c6fa9" }],
    ["another version", { ...place, version: 4 }],
    ["another field", { ...place, field: "name" }],
  ])("does not open in %s", (_, elsewhere) => {
    const { sealed } = seal(key, place, "kim@example.com");
    expect(() => open(key, elsewhere, sealed)).toThrow();
  });

  test("does not open with another key, changed or cut off", () => {
    const { sealed } = seal(key, place, "kim@example.com");
    const bytes = Buffer.from(sealed, "base64");
    expect(() => open(newSubjectKey(), place, sealed)).toThrow();
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(() => open(key, place, changed.toString("base64"))).toThrow();
    }
    for (const length of [0, 11, 12, 27, 28]) {
      expect(() => open(key, place, bytes.subarray(0, length).toString("base64"))).toThrow();
    }
  });
});

test.each([
  ["30d", 30 * 86_400_000],
  ["12 hours", 12 * 3_600_000],
  ["90m", 90 * 60_000],
  ["1 second", 1000],
  ["0d", null],
  ["-1d", null],
  ["d", null],
  ["1w", null],
  ["1d2h", null],
])("%s as a duration", (text, milliseconds) => {
  expect(readDuration(text)).toBe(milliseconds);
});
