/** A number whose decimal value a double does not keep: refused, never rounded in silence. */
export class InexactNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

const grammar = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** Whether a text is a JSON number (RFC 8259 § 6). */
export const isNumberText = (text: string): boolean => grammar.test(text);

/** The value of a JSON number of at most 15 significant digits, or of a safe integer; otherwise its text. */
export function exactNumber(text: string): number | InexactNumber {
  const value = Number(text);
  if (text.length <= 15 && /^-?[0-9.]+$/.test(text)) return value === 0 ? 0 : value;
  if (Number.isSafeInteger(value) && /^-?[0-9]+$/.test(text)) return value === 0 ? 0 : value;
  const digits = text
    .replace(/[eE].*$/, "")
    .replace(/[-.]/g, "")
    .replace(/^0+/, "")
    .replace(/0+$/, "");
  if (digits === "") return 0;
  const kept = digits.length <= 15 && Number.isFinite(value) && Math.abs(value) >= Number.MIN_VALUE * 2 ** 52;
  return kept ? value : new InexactNumber(text);
}
