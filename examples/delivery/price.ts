import Big from "big.js";

interface Line {
  readonly quantity: number;
  readonly unit_price: number;
}

/** What the items cost together. */
export const totalOf = (lines: readonly Line[]): number =>
  lines.reduce((sum, line) => sum.plus(Big(line.unit_price).times(line.quantity)), Big(0)).toNumber();

/** The total less so many percent, rounded half away from zero to two places. */
export const reduced = (total: number, percent: number): number =>
  Big(total)
    .times(100 - percent)
    .div(100)
    .round(2, Big.roundHalfUp)
    .toNumber();

interface Promotion {
  readonly active: boolean;
  readonly starts_at: string;
  readonly ends_at: string;
}

/** A promotion counts from its start, inclusive, to its end, exclusive. */
export const runsAt = (promotion: Promotion, now: Date): boolean =>
  promotion.active && Date.parse(promotion.starts_at) <= now.getTime() && now.getTime() < Date.parse(promotion.ends_at);
