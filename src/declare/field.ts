import type { Policy } from "./policy.ts";

export type FieldKind =
  | "text"
  | "integer"
  | "decimal"
  | "money"
  | "boolean"
  | "instant"
  | "date"
  | "uuid"
  | "enum"
  | "email"
  | "url"
  | "password"
  | "list"
  | "object"
  | "reference";

/**
 * Who decides the value. `client`: the caller, at creation and in updates. `create`: the caller, once, at creation.
 * `system`: an action's `decide`; a client that sends it is refused. `actor`: the id of whoever created the record.
 */
export type Ownership = "client" | "create" | "system" | "actor";

/** What every field may say. */
export interface FieldOptions {
  /** May be absent; an unset value is `null`. */
  readonly optional?: boolean;
  readonly default?: string | number | boolean;
  /** No two records that are not deleted may share the value (e-mails: without regard to case). */
  readonly unique?: boolean;
  /** May be filtered on; the database gets an index for it. */
  readonly filter?: boolean;
  /** May be sorted by; the database gets an index for it. */
  readonly sort?: boolean;
  /** Belongs to a person and must go when the person does. */
  readonly personal?: boolean;
  /** A value to show in documents. One that a sown application takes can be tried as it stands. */
  readonly example?: string | number | boolean;
  readonly setBy?: Ownership;
  /** Who may read the field, among those who may read the record. */
  readonly readBy?: Policy;
  /**
   * A state of the lifecycle: once the record has reached it, the field cannot change. Reached is a state that the
   * record is in or was in, and every state that the workflow leads to from it.
   */
  readonly frozenFrom?: string;
}

export interface TextOptions extends FieldOptions {
  /** Lengths in Unicode code points. */
  readonly min?: number;
  readonly max?: number;
  /** A regular expression that both JavaScript and PostgreSQL read alike; the whole value must match. */
  readonly pattern?: string;
}

export interface NumberOptions extends FieldOptions {
  readonly min?: number;
  readonly max?: number;
  /** The value must be greater than this. */
  readonly above?: number;
}

export interface DecimalOptions extends NumberOptions {
  /** Digits after the point, 2 unless said otherwise. */
  readonly places?: number;
}

export interface InstantOptions extends FieldOptions {
  /** Another instant of the same record that this one must follow. */
  readonly after?: string;
}

export interface EnumOptions<V extends string> extends FieldOptions {
  readonly values: readonly V[];
}

/**
 * What the deletion of a record does to those that refer to it. `restrict`: it is refused while there are any.
 * `cascade`: they are deleted with it. `detach`: they let go of it. `keep`: they go on naming it.
 */
export type OnDelete = "restrict" | "cascade" | "detach" | "keep";

export interface ReferenceOptions extends FieldOptions {
  /** Replies may carry the record itself on demand: `expand=restaurant` for `restaurant_id`, `expand=files` for `file_ids`. */
  readonly expand?: boolean;
  /** What happens to this record when the one referred to is deleted; `keep` unless said otherwise. */
  readonly onDelete?: OnDelete;
  /** May point to a record that the caller cannot read, the wallet of another for one; others are refused as missing. */
  readonly mayBeUnseen?: boolean;
}

export interface ListOptions extends FieldOptions {
  /** Numbers of entries. */
  readonly min?: number;
  readonly max?: number;
}

declare const types: unique symbol;

/**
 * One field of an entity, as data. `Value` is what a record holds, `Input` what a client sends, `Options` the
 * literal options, from which types learn whether it may be absent and who owns it.
 */
export interface Field<Value = unknown, Input = unknown, Options extends object = object> {
  readonly kind: FieldKind;
  readonly options: Options;
  readonly element?: Field;
  readonly fields?: Fields;
  readonly target?: string;
  /** Exists for the type checker alone. */
  readonly [types]: { readonly value: Value; readonly input: Input };
}

export type Fields = { readonly [name: string]: Field };

interface Parts {
  readonly element?: Field;
  readonly fields?: Fields;
  readonly target?: string;
}

function field<Value, Input, Options extends object>(
  kind: FieldKind,
  options: Options | undefined,
  parts: Parts = {},
): Field<Value, Input, Options> {
  // The member `types` has no run-time value, so the object cannot be checked against the interface.
  return { kind, options: options ?? {}, ...parts } as unknown as Field<Value, Input, Options>;
}

type None = Record<never, never>;

/** Text, stored as sent. @example text({ min: 1, max: 100, filter: true }) */
export const text = <const O extends TextOptions = None>(options?: O): Field<string, string, O> =>
  field("text", options);

/** A whole number within ±(2^53 − 1). @example integer({ min: 1, max: 50 }) */
export const integer = <const O extends NumberOptions = None>(options?: O): Field<number, number, O> =>
  field("integer", options);

/** An exact decimal number of at most 15 significant digits. @example decimal({ places: 3, min: 0 }) */
export const decimal = <const O extends DecimalOptions = None>(options?: O): Field<number, number, O> =>
  field("decimal", options);

/** An amount with two places. @example money({ setBy: "system", min: 0 }) */
export const money = <const O extends NumberOptions = None>(options?: O): Field<number, number, O> =>
  field("money", options);

export const boolean = <const O extends FieldOptions = None>(options?: O): Field<boolean, boolean, O> =>
  field("boolean", options);

/** A moment, RFC 3339 with an offset; kept in UTC with milliseconds. @example instant({ after: "starts_at" }) */
export const instant = <const O extends InstantOptions = None>(options?: O): Field<string, string, O> =>
  field("instant", options);

/** A calendar day, `2026-02-28`. */
export const date = <const O extends FieldOptions = None>(options?: O): Field<string, string, O> =>
  field("date", options);

export const uuid = <const O extends FieldOptions = None>(options?: O): Field<string, string, O> =>
  field("uuid", options);

/** One of a few words. @example oneOf({ values: ["s", "m", "l"] }) */
export const oneOf = <const V extends string, const O extends EnumOptions<V>>(
  options: O & { readonly values: readonly V[] },
): Field<V, V, O> => field("enum", options);

/** An e-mail address, stored as sent, compared without regard to case where unique. */
export const email = <const O extends FieldOptions = None>(options?: O): Field<string, string, O> =>
  field("email", options);

/** An absolute https address. */
export const url = <const O extends FieldOptions = None>(options?: O): Field<string, string, O> =>
  field("url", options);

/** A password of 8 to 200 characters: kept as an argon2id hash, never read back. */
export const password = <const O extends FieldOptions = None>(options?: O): Field<never, string, O> =>
  field("password", options);

/**
 * The id of a record of another entity.
 * @example reference("restaurants", { filter: true, onDelete: "restrict" })
 */
export const reference = <const O extends ReferenceOptions = None>(
  target: string,
  options?: O,
): Field<string, string, O> => field("reference", options, { target });

/** Several values of one kind. @example list(reference("files"), { max: 100 }) */
export const list = <E extends Field, const O extends ListOptions = None>(
  element: E,
  options?: O,
): Field<readonly ValueOf<E>[], readonly InputOf<E>[], O> => field("list", options, { element });

/** A group of fields inside a record. @example object({ quantity: integer({ min: 1 }) }) */
export const object = <F extends Fields, const O extends FieldOptions = None>(
  fields: F,
  options?: O,
): Field<ValuesOf<F>, InputsOf<F>, O> => field("object", options, { fields });

/** What a record holds for the field. */
export type ValueOf<F> =
  F extends Field<infer V, infer _, infer O> ? (O extends { readonly optional: true } ? V | null : V) : never;

/** What a client sends for the field; an optional one arrives as `null` when it was not sent. */
export type InputOf<F> =
  F extends Field<infer _, infer I, infer O> ? (O extends { readonly optional: true } ? I | null : I) : never;

type OwnerOf<O> = O extends { readonly setBy: infer S } ? S : "client";
type Unneeded = { readonly optional: true } | { readonly default: unknown };
type IsNever<T> = [T] extends [never] ? true : false;

/** The names of the fields that a record shows: all but passwords. */
type ShownName<F, K> = F extends Field<infer V, infer _, infer __> ? (IsNever<V> extends true ? never : K) : never;

/** The names of the fields that a client may send at creation. */
type SentName<F, K> =
  F extends Field<infer _, infer __, infer O> ? (OwnerOf<O> extends "client" | "create" ? K : never) : never;

/**
 * The names of the fields that creation cannot do without an action's decision: the required ones that the system
 * owns, and those of which the client sends a part only (the unit price of an order's item).
 */
type DecidedName<F, K> =
  F extends Field<infer V, infer I, infer O>
    ? O extends Unneeded
      ? never
      : IsNever<V> extends true
        ? never
        : OwnerOf<O> extends "system"
          ? K
          : I extends V
            ? never
            : K
    : never;

/** What a record of these fields holds. */
export type ValuesOf<F extends Fields> = { readonly [K in keyof F as ShownName<F[K], K>]: ValueOf<F[K]> };

/** What a client sends to create one. */
export type InputsOf<F extends Fields> = { readonly [K in keyof F as SentName<F[K], K>]: InputOf<F[K]> };

/** What the action that creates one must decide, and what it may. */
export type DecisionOf<F extends Fields> = Partial<ValuesOf<F>> & {
  readonly [K in keyof F as DecidedName<F[K], K>]: ValueOf<F[K]>;
};
