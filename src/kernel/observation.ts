import type { StartFault } from "./start-fault.ts";

/** Everything worth reporting, as one value per thing. A logger or a metric decides what to do with it. */
export type Observation =
  | { readonly kind: "started"; readonly url: string; readonly engine: string; readonly milliseconds: number }
  /** Only development goes on with them. */
  | { readonly kind: "unsafe_start"; readonly faults: readonly StartFault[] }
  | { readonly kind: "stopping"; readonly signal: string }
  | { readonly kind: "stopped" }
  | {
      readonly kind: "request_failed";
      readonly requestId: string;
      readonly method: string;
      readonly path: string;
      readonly error: unknown;
    }
  | { readonly kind: "database_error"; readonly statement: string; readonly error: unknown }
  | { readonly kind: "connection_lost"; readonly error: unknown }
  /** A replica is read from, from now on or again. */
  | { readonly kind: "replica_joined"; readonly place: string }
  /** A replica is not read from any more, or could not be from the start. */
  | { readonly kind: "replica_left"; readonly place: string; readonly reason: string }
  /** A deleted record will be purged: whoever looks after it can still restore it. */
  | {
      readonly kind: "purge_notice";
      readonly entity: string;
      readonly id: string;
      readonly deleted_at: string;
      readonly purge_at: string;
    }
  | {
      readonly kind: "purged";
      readonly entity: string;
      readonly id: string;
      readonly at: string;
      /** Whether nothing personal was found afterwards. */
      readonly clean: boolean;
    }
  /** A large seed goes on: events so far. */
  | { readonly kind: "sowing"; readonly events: number; readonly perSecond: number }
  | { readonly kind: "sweep_failed"; readonly error: unknown }
  | { readonly kind: "command_rerun"; readonly entity: string; readonly action: string; readonly attempt: number };

export type Observer = (observation: Observation) => void;

export const silent: Observer = () => {};
