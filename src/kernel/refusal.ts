import type { Fault } from "./fault.ts";
import { type ProblemCode, problems, type Text } from "./problem.ts";

/** What a refusal may tell beyond its code; each becomes a member of the problem document. */
export interface RefusalDetail {
  readonly detail?: Text;
  readonly errors?: readonly Fault[];
  readonly status_now?: string;
  readonly allowed_actions?: readonly string[];
  readonly versions?: { readonly yours: number | null; readonly current: number };
  readonly deleted_at?: string;
  /** When a deleted record goes for good. */
  readonly purge_at?: string;
  /** What to ask about before the action; presentation makes an address of it. */
  readonly impact?: { readonly entity: string; readonly id: string; readonly action: string };
  /** Records that stand in the way. */
  readonly blocked_by?: readonly object[];
  /** What became of the items of a call that did none of them. */
  readonly results?: readonly object[];
  /** Methods for the `Allow` header of a 405. */
  readonly allow?: readonly string[];
  /** Seconds for the `Retry-After` header. */
  readonly retryAfter?: number;
}

/**
 * A request that Gesta turns down for a reason that the caller can understand. Thrown by services,
 * turned into a problem document (RFC 9457) by presentation alone.
 */
export class Refusal extends Error {
  readonly code: ProblemCode;
  readonly told: RefusalDetail;

  /** @param cause what lies behind it, for the operator; never shown to a client. */
  constructor(code: ProblemCode, told: RefusalDetail = {}, cause?: unknown) {
    super(told.detail?.en ?? problems[code].title.en, { cause });
    this.name = "Refusal";
    this.code = code;
    this.told = told;
  }

  /** A 422 with every broken rule at once. */
  static invalid(errors: readonly Fault[]): Refusal {
    return new Refusal("invalid", { errors });
  }
}
