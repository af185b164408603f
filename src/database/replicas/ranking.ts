import { hash } from "node:crypto";

/**
 * Each caller ranks the places in an order of its own (rendezvous hashing): a place that leaves hands over its own
 * callers and no others, and gets the same ones back.
 * @returns for a caller the first place in its order that is fit, by its index, or null
 */
export function ranking(
  places: readonly string[],
): (caller: string, isFit: (index: number) => boolean) => number | null {
  const salts = places.map((place) => Number.parseInt(hash("sha256", place, "hex").slice(0, 8), 16));
  return (caller, isFit) => {
    const number = numberOf(caller);
    let [chosen, highest]: [number | null, number] = [null, -1];
    for (const [index, salt] of salts.entries()) {
      const score = mixed(number ^ salt);
      if (score > highest && isFit(index)) [chosen, highest] = [index, score];
    }
    return chosen;
  };
}

/** FNV-1a: quick, and even enough to share callers among a few servers. */
function numberOf(text: string): number {
  let number = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) number = Math.imul(number ^ text.charCodeAt(at), 0x01000193);
  return number;
}

/** Every bit of the number counts in every bit of the result: the last step of MurmurHash3. */
function mixed(number: number): number {
  let mix = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}
