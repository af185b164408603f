import Big from "big.js";

// In decimals: 0.1 + 0.2 is 0.3 here.
export const sumOf = (a: number, b: number): number => Big(a).plus(b).toNumber();
export const differenceOf = (a: number, b: number): number => Big(a).minus(b).toNumber();

/** The most that 15 digits say, two of them after the point. */
const most = Big("9999999999999.99");

/** Whether a wallet has room for so much more. */
export const fitsWallet = (balance: number, amount: number): boolean => Big(balance).plus(amount).lte(most);
