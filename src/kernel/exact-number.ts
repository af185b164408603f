/** A number whose decimal value a double does not keep: refused, never rounded in silence. */
export class InexactNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

const grammar = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const plain = /^[0-9.-]+$/;
/** Below it a double has fewer digits, and some machines have no such doubles at all. */
const smallestNormal = 2 ** -1022;

/** Whether a text is a JSON number (RFC 8259 § 6). */
export const isNumberText = (text: string): boolean => grammar.test(text);

/**
 * The value of a number with at most 15 significant digits (zeros at either end do not count) or of a safe integer;
 * otherwise its text. -0 is 0.
 * @param text a JSON number, see `isNumberText`
 */
export function exactNumber(text: string): number | InexactNumber {
  const value = Number(text);
  if (text.length <= 15 && plain.test(text)) return value === 0 ? 0 : value;
  const digits = significantDigits(text);
  if (digits === "") return 0;
  const most = Number.isSafeInteger(value) ? 16 : 15;
  const kept =
    digits.length <= most &&
    Math.abs(value) >= smallestNormal &&
    significantDigits(value.toExponential(digits.length - 1)) === digits;
  return kept ? value : new InexactNumber(text);
}

/** Walks from both ends: a pattern such as `/0+$/` takes quadratic time on a megabyte of zeros before a last digit. */
function significantDigits(text: string): string {
  const exponent = text.search(/[eE]/);
  const end = exponent < 0 ? text.length : exponent;
  let first = 0;
  while (first < end && !isSignificant(text, first)) first++;
  let last = end;
  while (last > first && !isSignificant(text, last - 1)) last--;
  return text.slice(first, last).replace(".", "");
}

/** The minus, the point and the zero all stand before the 1. */
const isSignificant = (text: string, index: number): boolean => text.charCodeAt(index) >= 49;
