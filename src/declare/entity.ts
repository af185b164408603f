import { deepFreeze } from "../kernel/freeze.ts";
import { type Action, type PathOf, type RecordOf, type Verbs, verbs } from "./action.ts";
import type { Upcast } from "./evolution.ts";
import type { Fields } from "./field.ts";
import type { Acceptances } from "./lint.ts";
import type { Readable } from "./need.ts";
import type { Policy } from "./policy.ts";
import type { Lifecycle, WorkflowSource } from "./workflow.ts";

/** Members that a record has without declaring them. */
export type StampName = "status" | "created_at" | "updated_at";

/** What can be made of the values of a field in many records. */
export type Measure = "sum" | "avg" | "min" | "max";

/** What records can be asked for together, besides how many they are: `GET /orders/aggregate`. */
export interface Aggregates<Name extends string = string> {
  /** Members whose values make groups. */
  readonly group?: readonly Name[];
  /** What can be made of the values of a member. */
  readonly of?: { readonly [name in Name]?: readonly Measure[] };
}

/** What an entity is, apart from its actions. */
export interface EntityShape<F extends Fields, S extends string> {
  readonly fields: F;
  /** `uuid` (UUIDv7, the default) or `serial` (1, 2, 3 …). */
  readonly id?: "uuid" | "serial";
  readonly lifecycle?: Lifecycle<S>;
  /** Who may read a record. */
  readonly read: Policy<PathOf<F>>;
  /** What of the members that every record has may be filtered on; a field says so itself. */
  readonly filter?: readonly StampName[];
  /** What of the members that every record has may be sorted by, besides `id`. */
  readonly sort?: readonly StampName[];
  /** Lets `GET /{entities}/aggregate` count records, whole and by group, and make sums and the like; absent, there is none. */
  readonly aggregates?: Aggregates<(keyof F & string) | StampName>;
  /** PATCH and PUT demand `If-Match`. */
  readonly demandsVersion?: boolean;
  /** Every change of a row is recorded in `gesta.audit` too, by trigger, whoever makes it: for balances, for security. */
  readonly audited?: boolean;
  /**
   * How older events are read, from version 1 of them to 2, from 2 to 3 and so on; events are written in the version after
   * the last. Nothing that is stored changes.
   */
  readonly evolution?: readonly (readonly Upcast[])[];
  /** The event that records that a reference (`onDelete: "detach"`) let go of a deleted record, or has it back; `<Entity>Updated` by default. */
  readonly detachEvent?: string;
  /** The word for one record, where it is not the name without its final s. */
  readonly singular?: string;
  /** What `gesta lint` finds and is meant to be so. */
  readonly lint?: { readonly accept: Acceptances };
}

/** A declared entity, as data: what the plan is made from. */
export interface EntityDeclaration {
  readonly name: string;
  readonly fields: Fields;
  readonly id: "uuid" | "serial";
  readonly lifecycle: WorkflowSource | null;
  readonly read: Policy;
  readonly filter: readonly StampName[];
  readonly sort: readonly StampName[];
  readonly aggregates: Aggregates | null;
  readonly demandsVersion: boolean;
  readonly audited: boolean;
  readonly evolution: readonly (readonly Upcast[])[];
  readonly detachEvent: string | null;
  readonly singular: string | null;
  readonly accepted: Acceptances;
  readonly actions: { readonly [name: string]: Action };
}

/** A declared entity that knows the type of its records. */
export interface Entity<F extends Fields, S extends string> extends EntityDeclaration, Readable<RecordOf<F, S>> {
  readonly fields: F;
}

/**
 * Declares an entity: its fields, its lifecycle, who reads it, and the actions that alone may change it.
 *
 * @example
 * const drinks = entity(
 *   "drinks",
 *   { id: "serial", fields: { name: text({ min: 1 }), price: decimal({ min: 0 }) }, read: anyone },
 *   crud({ by: anyone }),
 * );
 */
export function entity<const F extends Fields, S extends string = never>(
  name: string,
  shape: EntityShape<F, S>,
  actions: (on: Verbs<F, S>) => { readonly [name: string]: Action },
): Entity<F, S> {
  return deepFreeze({
    name,
    fields: shape.fields,
    id: shape.id ?? "uuid",
    lifecycle: shape.lifecycle?.source ?? null,
    read: shape.read,
    filter: shape.filter ?? [],
    sort: shape.sort ?? [],
    aggregates: shape.aggregates ?? null,
    demandsVersion: shape.demandsVersion ?? false,
    audited: shape.audited ?? false,
    evolution: shape.evolution ?? [],
    detachEvent: shape.detachEvent ?? null,
    singular: shape.singular ?? null,
    accepted: shape.lint?.accept ?? {},
    // The verbs are the same functions for every entity; F and S only narrow what they accept.
    actions: actions(verbs as unknown as Verbs<F, S>),
  });
}
