/** Something that makes a start unsafe: what is wrong and where, and what to do about it. */
export interface StartFault {
  readonly what: string;
  readonly remedy: string;
}

/** One line for each fault, the remedy behind the fault. */
export const faultLines = (faults: readonly StartFault[]): string =>
  faults.map(({ what, remedy }) => `  ${what}\n    -> ${remedy}`).join("\n");

/** A production start was refused, with every fault at once. */
export class UnsafeStart extends Error {
  constructor(faults: readonly StartFault[]) {
    super(`This start is not safe for production: ${faults.length} fault(s)\n${faultLines(faults)}`);
    this.name = "UnsafeStart";
  }
}
