import type { Clock } from "../kernel/clock.ts";
import type { IdentifierSource } from "../kernel/identifier.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { Observer } from "../kernel/observation.ts";
import type { Behaviours } from "../plan/behaviour.ts";
import type { Plan } from "../plan/plan.ts";
import type { RecordsRepository, Who } from "../repositories/records-repository.ts";
import type { Passwords } from "./passwords.ts";

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
  /** Values that replace what the action would decide: seeds alone. */
  readonly decided?: JsonObject;
}

export interface CommandReply {
  readonly outcome: "created" | "changed" | "unchanged" | "deleted";
  readonly id: string;
  readonly version: number;
  /** The record as JSON text; empty after a deletion. */
  readonly body: string;
}

/** What commands are done with. */
export interface CommandsParts {
  readonly plan: Plan;
  readonly behaviours: Behaviours;
  readonly records: RecordsRepository;
  readonly passwords: Passwords;
  readonly clock: Clock;
  readonly newId: IdentifierSource;
  readonly observe: Observer;
}
