import type { Actor, Conflict, Effect, Refused } from "../declare/action.ts";
import type { PointedFault } from "../kernel/fault.ts";
import type { JsonObject } from "../kernel/json.ts";

export type { Actor, ConflictCode, Effect, Refused } from "../declare/action.ts";

/** What an action's functions get; the declaration's types promise the shapes. */
export interface Asking {
  readonly input: JsonObject;
  readonly actor: Actor;
  readonly now: Date;
  readonly state: JsonObject | null;
}

/** Records to read before a decision. */
export interface NeedPlan {
  readonly entity: string;
  readonly ids: readonly (string | null)[];
  readonly key: { readonly field: string; readonly value: string | null } | null;
  readonly many: boolean;
}

export interface Deciding extends Asking {
  readonly needs: Readonly<Record<string, JsonObject | null | readonly (JsonObject | null)[]>>;
  readonly refuse: (...faults: readonly PointedFault[]) => Refused;
  readonly conflict: Conflict;
}

/** What `effects` gets: the decision, made. */
export interface Decided {
  readonly input: JsonObject;
  readonly actor: Actor;
  readonly needs: Deciding["needs"];
  readonly record: JsonObject;
}

/** The functions of one action, which the plan, being data, does not hold. */
export interface Behaviour {
  readonly needs: ((asked: Asking) => Readonly<Record<string, NeedPlan>>) | null;
  readonly to: ((asked: Deciding) => string) | null;
  readonly decide: ((asked: Deciding) => JsonObject | Refused) | null;
  readonly effects: ((decided: Decided) => readonly Effect[]) | null;
}

/** Keyed by `entity.action`. */
export type Behaviours = ReadonlyMap<string, Behaviour>;
