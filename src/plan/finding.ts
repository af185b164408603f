import type { Application } from "../declare/application.ts";
import type { Plan } from "./plan.ts";

/** One mistake in a declaration: where, what, and what to write instead. */
export interface Finding {
  /** `orders.actions.cancel.from[1]` */
  readonly path: string;
  readonly fault: string;
  readonly remedy: string;
}

/** Refuses what is wrong in a declaration. Each verifier knows one rule and reports every breach of it. */
export type Verifier = (declared: Application) => readonly Finding[];

/** Refuses what shows only once the plan is made. */
export type PlanVerifier = (plan: Plan) => readonly Finding[];

/** "did you mean 'cooking'?", or the fallback where nothing is near. */
export const didYouMean = (candidate: string | undefined, fallback: string): string =>
  candidate === undefined ? fallback : `did you mean '${candidate}'?`;

/** All mistakes of a declaration at once. */
export class DeclarationError extends Error {
  readonly findings: readonly Finding[];

  constructor(application: string, findings: readonly Finding[]) {
    const lines = findings.map(({ path, fault, remedy }) => `  ${path}: ${fault}; ${remedy}`);
    super(`The declaration of '${application}' has ${findings.length} fault(s):\n${lines.join("\n")}`);
    this.name = "DeclarationError";
    this.findings = findings;
  }
}
