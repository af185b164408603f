import type { ActionKind, ConflictCode } from "../declare/action.ts";
import type { Measure } from "../declare/entity.ts";
import type { Upcast } from "../declare/evolution.ts";
import type { FieldKind, OnDelete, Ownership } from "../declare/field.ts";
import type { Acceptances } from "../declare/lint.ts";
import type { Policy } from "../declare/policy.ts";
import type { JsonObject } from "../kernel/json.ts";

export type { ActionKind } from "../declare/action.ts";
export type { Measure } from "../declare/entity.ts";
export type { Upcast } from "../declare/evolution.ts";
export type { FieldKind, OnDelete, Ownership } from "../declare/field.ts";
export { type LintRule, lintRules } from "../declare/lint.ts";
export type { Policy } from "../declare/policy.ts";

/** One field with everything filled in; numbers are `null` where nothing was declared. */
export interface FieldPlan {
  readonly name: string;
  readonly kind: FieldKind;
  readonly optional: boolean;
  readonly default: string | number | boolean | null;
  /** A value to show in documents. */
  readonly example: string | number | boolean | null;
  readonly unique: boolean;
  readonly filter: boolean;
  readonly sort: boolean;
  /** A reference, or a list of them, whose records may be asked for along with the record. */
  readonly expand: boolean;
  readonly personal: boolean;
  readonly setBy: Ownership;
  readonly readBy: Policy | null;
  /** The state from which on the field cannot change. */
  readonly frozenFrom: string | null;
  /** Bounds of a number, of a text's length in code points, of a list's number of entries. */
  readonly min: number | null;
  readonly max: number | null;
  /** Whether the declaration itself said `max`; kinds have limits of their own. */
  readonly bounded: boolean;
  readonly above: number | null;
  readonly pattern: string | null;
  /** Digits after the point. */
  readonly places: number;
  /** Words of an enum. */
  readonly values: readonly string[];
  /** Another instant of the record that this one must follow. */
  readonly after: string | null;
  /** Entity that a reference points to. */
  readonly target: string | null;
  /** Whether it may point to a record that the caller cannot read. */
  readonly mayBeUnseen: boolean;
  /** What becomes of the record when the one referred to is deleted. */
  readonly onDelete: OnDelete;
  /** How the target's ids look. */
  readonly targetId: "uuid" | "serial" | null;
  readonly element: FieldPlan | null;
  readonly fields: readonly FieldPlan[];
}

export interface TransitionPlan {
  readonly action: string;
  readonly from: string;
  readonly to: string;
}

export interface LifecyclePlan {
  readonly initial: string;
  readonly states: readonly string[];
  readonly final: readonly string[];
  readonly transitions: readonly TransitionPlan[];
}

/** What stands between a delete and its effect. */
export interface BarrierPlan {
  readonly confirm: "always" | "when_linked" | "never";
  /** Milliseconds from the delete to the purge; null where none is planned. */
  readonly wait: number | null;
  /** Milliseconds from the announcement of the purge to the purge. */
  readonly notice: number;
}

/** The inverse of an action: it gives back the values before, with an event of this name, or does another action. */
export type UndoPlan =
  | { readonly way: "values"; readonly event: string }
  | { readonly way: "action"; readonly action: string };

export interface ActionPlan {
  readonly name: string;
  readonly kind: ActionKind;
  /** The event's name, or one per target state. */
  readonly event: string | Readonly<Record<string, string>>;
  readonly by: Policy;
  /** What the client sends. */
  readonly input: readonly FieldPlan[];
  /** The fields that the action may set, whoever decides their values. */
  readonly sets: readonly string[];
  /** Whether a function of the declaration decides values; without one, the system's fields get their defaults. */
  readonly decides: boolean;
  /** Whether a function of the declaration names effects on other records. */
  readonly affects: boolean;
  /** The conflicts that it may answer with, by its own decision or an effect's. */
  readonly conflicts: readonly ConflictCode[];
  /** Inputs that must equal a stored password, with the password's field. */
  readonly verify: Readonly<Record<string, string>>;
  /** Whether a request must carry an `Idempotency-Key`. */
  readonly demandsKey: boolean;
  /** Whether it is done to many records in one call, too: `/{entities}/bulk`. */
  readonly bulk: boolean;
  /** Of a delete; null for all others. */
  readonly barrier: BarrierPlan | null;
  /** How it is undone; null where it cannot be. */
  readonly undo: UndoPlan | null;
  readonly method: "POST" | "PATCH" | "DELETE";
  /** Path below the collection: `""`, `/{id}`, `/{id}/confirm-payment`. */
  readonly path: string;
}

/** What can be asked of many records together, besides how many they are. */
export interface AggregatesPlan {
  /** Members whose values make groups. */
  readonly group: readonly string[];
  readonly of: readonly MeasuredPlan[];
}

export interface MeasuredPlan {
  readonly field: string;
  readonly measures: readonly Measure[];
}

export interface IndexPlan {
  readonly name: string;
  readonly columns: readonly string[];
  readonly unique: boolean;
  /** The first column without regard to case: by letters of ASCII alone (e-mails), or of all alphabets. */
  readonly caseless: "ascii" | "all" | null;
  /** An index over the entries of a list. */
  readonly entries: boolean;
}

export interface EntityPlan {
  /** The collection: table, URL and JSON key. */
  readonly name: string;
  /** One record, snake_case: `menu_item`. */
  readonly singular: string;
  /** One record, as in event names: `MenuItem`. */
  readonly title: string;
  readonly id: "uuid" | "serial";
  readonly fields: readonly FieldPlan[];
  /** Everything that a record shows, as fields: `id`, `status`, the entity's own, the stamps. */
  readonly members: readonly FieldPlan[];
  readonly lifecycle: LifecyclePlan | null;
  readonly aggregates: AggregatesPlan | null;
  readonly read: Policy;
  readonly demandsVersion: boolean;
  /** How events of version 1 become those of 2, and so on. */
  readonly evolution: readonly (readonly Upcast[])[];
  /** The event by which Gesta empties and fills references when another record is deleted and restored. */
  readonly detachEvent: string;
  /** Whether every change of a row is recorded in `gesta.audit` too. */
  readonly audited: boolean;
  readonly actions: readonly ActionPlan[];
  readonly indexes: readonly IndexPlan[];
  /** Lint findings that are meant to be so: rule, or rule and path, with the reason. */
  readonly accepted: Acceptances;
}

export interface ActorsPlan {
  readonly entity: string;
  readonly role: string;
  readonly active: readonly string[];
  /** The fields to sign in with; null where nobody signs in here. */
  readonly login: { readonly email: string; readonly password: string } | null;
}

export interface SeedPlan {
  readonly entity: string;
  readonly action: string;
  readonly id: string | null;
  readonly as: string | null;
  readonly input: JsonObject;
  readonly decided: JsonObject;
}

/** The whole application as one immutable, serialisable value; every artefact is a pure function of it. */
export interface Plan {
  readonly name: string;
  readonly entities: readonly EntityPlan[];
  readonly actors: ActorsPlan | null;
}
