/** Choices that follow from a seed alone (mulberry32): the same seed is the same run. */
export interface Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  chance(probability: number): boolean;
  /** One of them; undefined where there is none. */
  oneOf<T>(values: readonly T[]): T | undefined;
  some<T>(values: readonly T[]): readonly T[];
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (limit) => Math.floor(next() * limit),
    chance: (probability) => next() < probability,
    oneOf: (values) => values[Math.floor(next() * values.length)],
    some: (values) => values.filter(() => next() < 0.5),
  };
}
