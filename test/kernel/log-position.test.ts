import fc from "fast-check";
import { expect, test } from "vitest";
import { furthest, later, positionText, readPosition } from "../../src/kernel/log-position.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const positions = fc.record({
  timeline: fc.integer({ min: 1, max: furthest.timeline }),
  lsn: fc.bigInt({ min: 0n, max: furthest.lsn }),
});

test("a position is read as it was written", () => {
  expect(positionText({ timeline: 1, lsn: 0x16b3748n })).toBe("1:0/16B3748");
  expect(positionText(furthest)).toBe("4294967295:FFFFFFFF/FFFFFFFF");
  const same = fc.property(positions, (position) => {
    expect(readPosition(positionText(position))).toEqual(position);
  });
  fc.assert(same, { seed });
});

test.each([
  ...["", "0/16B3748", "1", "1:", "1:0", "1:/", "1:0/", "1:0/G", "1:0/16b3748", "1:0/123456789", "0:0/1", "01:0/1"],
  ...[
    "-1:0/1",
    "4294967296:0/1",
    "99999999999:0/1",
    "1:0/1 ",
    " 1:0/1",
    "1:0/1, 1:0/2",
    "1:0/1\n",
    "1:-0/1",
    "1:0x1/1",
  ],
])("%j is none", (text) => expect(readPosition(text)).toBeNull());

test("the later one is further in the log, or in a later history", () => {
  const [early, late, other] = [
    { timeline: 1, lsn: 5n },
    { timeline: 1, lsn: 6n },
    { timeline: 2, lsn: 1n },
  ] as const;
  expect([later(early, late), later(late, early)]).toEqual([late, late]);
  expect([later(late, other), later(other, late)]).toEqual([other, other]);
});
