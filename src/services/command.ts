import type { Clock } from "../kernel/clock.ts";
import type { IdentifierSource } from "../kernel/identifier.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { Observer } from "../kernel/observation.ts";
import type { Behaviours } from "../plan/behaviour.ts";
import type { Plan } from "../plan/plan.ts";
import type { PastRepository } from "../repositories/past-repository.ts";
import type { RecordsRepository, Who } from "../repositories/records-repository.ts";
import type { Confirmations } from "./confirmations.ts";
import type { Passwords } from "./passwords.ts";
import type { WorkflowsInForce } from "./workflows-in-force.ts";

/** What tells a repeated request from a new one; both are UUIDs made by hashing. */
export interface Idempotency {
  /** Made of caller, method, route and `Idempotency-Key`. */
  readonly key: string;
  /** Made of all that was sent. */
  readonly fingerprint: string;
}

/** A wish to act, as presentation hands it over: read, but not yet checked. */
export interface CommandRequest {
  readonly entity: string;
  readonly action: string;
  readonly who: Who;
  /** The record to act on; for a creation the id to give it, or null. */
  readonly id: string | null;
  readonly input: unknown;
  /** PATCH: only what is sent changes. PUT and all else: what is missing gets its default. */
  readonly partial: boolean;
  /** The versions of `If-Match`: null when absent, empty when the tag names no version. */
  readonly expected: readonly number[] | "any" | null;
  readonly requestId: string | null;
  /** What `Idempotency-Key` makes of the request; null without one. */
  readonly idempotency: Idempotency | null;
  /** The session that the caller came with: a new password leaves that one open and ends all others. */
  readonly session?: string | null;
  /** Do all of it, and take it back. */
  readonly dryRun?: boolean;
  /** One of many: it is answered by its id alone. */
  readonly brief?: true;
  /** The token with which the caller says that the impact was seen. */
  readonly confirm?: string | null;
  /** Values that replace what the action would decide: seeds alone. */
  readonly decided?: JsonObject;
}

export interface CommandReply {
  readonly outcome: "created" | "changed" | "deleted";
  readonly id: string;
  readonly version: number;
  /** The record as JSON text; empty after a deletion. */
  readonly body: string;
  /** Whether this is the stored answer to an earlier request with the same key. */
  readonly replayed: boolean;
}

/** What commands are done with. */
export interface CommandsParts {
  readonly plan: Plan;
  readonly behaviours: Behaviours;
  readonly records: RecordsRepository;
  readonly past: PastRepository;
  readonly workflows: WorkflowsInForce;
  readonly passwords: Passwords;
  readonly confirmations: Confirmations;
  readonly clock: Clock;
  readonly newId: IdentifierSource;
  readonly observe: Observer;
}
