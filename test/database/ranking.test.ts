import fc from "fast-check";
import { expect, test } from "vitest";
import { ranking } from "../../src/database/replicas/ranking.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const places = ["postgres://one/shop", "postgres://two/shop", "postgres://three/shop"];
const choose = ranking(places);
const all = () => true;

test("callers are shared evenly, also such as differ in one character", () => {
  const counts = places.map(() => 0);
  for (let caller = 0; caller < 3000; caller++) {
    const chosen = choose(`198.51.${caller >> 8}.${caller % 256}`, all) ?? -1;
    counts[chosen] = (counts[chosen] ?? 0) + 1;
  }
  for (const count of counts) expect(count).toBeGreaterThan(800);
});

test("a place that leaves hands over its own callers and no others, and gets them back", () => {
  const property = fc.property(fc.string(), fc.nat({ max: places.length - 1 }), (caller, gone) => {
    const before = choose(caller, all);
    const without = choose(caller, (index) => index !== gone);
    expect(without).not.toBe(gone);
    if (before !== gone) expect(without).toBe(before);
    expect(choose(caller, all)).toBe(before);
  });
  fc.assert(property, { seed });
});

test("where no place is fit there is none", () => {
  expect(choose("anybody", () => false)).toBeNull();
  expect(ranking([])("anybody", all)).toBeNull();
});
