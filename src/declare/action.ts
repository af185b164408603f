import type { Fault, PointedFault } from "../kernel/fault.ts";
import type { DecisionOf, Field, Fields, InputOf, InputsOf, ValuesOf } from "./field.ts";
import type { Need } from "./need.ts";
import type { Policy } from "./policy.ts";

/** Whoever acts. `system` is Gesta itself: seeds, reactions. */
export interface Actor {
  readonly type: "user" | "visitor" | "system";
  readonly id: string | null;
  readonly roles: readonly string[];
}

/** What `refuse` and `conflict` give back: the decision not to act. */
export interface Refused {
  readonly refused: readonly Fault[] | ConflictCode;
}

/** Why what is asked cannot be done now, although it is asked rightly. */
export type ConflictCode = "conflict" | "insufficient_funds";

/**
 * Declines in `decide`, naming the place and the rule; the caller gets a 422 with all of them.
 * @example refuse({ pointer: "/promotion_code", code: "not_found" })
 */
export type Refuse = (...faults: readonly PointedFault[]) => Refused;

/**
 * Declines in `decide` because of how things stand; the caller gets a 409.
 * @example conflict("insufficient_funds")
 */
export type Conflict = (code: ConflictCode) => Refused;

/** An action on another record that happens together with this one, or not at all; made by `act` and `make`. */
export interface Effect {
  readonly entity: string;
  readonly action: string;
  /** Whether it makes a record, or acts on one. */
  readonly makes: boolean;
  /** The record to act on, or the id of the new one; null lets Gesta find one. */
  readonly id: string | null;
  readonly input: { readonly [name: string]: unknown };
}

/**
 * Another record's action as an effect of this one. It is decided like any other, by Gesta itself and in the name of
 * the caller, and written in the same transaction; when it declines, nothing happens. Not to be confused with the verb
 * `acts`, which declares an action.
 * @example act(wallets, input.from_wallet_id, "withdraw", { amount: input.amount })
 */
export const act = (
  entity: { readonly name: string },
  id: string,
  action: string,
  input: Effect["input"] = {},
): Effect => ({ entity: entity.name, action, makes: false, id, input });

/**
 * A new record as an effect. An `id` of its own, made of what is known, lets others name it before it is there.
 * @example make(wallets, "open", { user_id: record.id })
 */
export const make = (
  entity: { readonly name: string },
  action: string,
  input: Effect["input"] = {},
  id: string | null = null,
): Effect => ({ entity: entity.name, action, makes: true, id, input });

/** A record as stored now. */
export type RecordOf<F extends Fields, State extends string> = ValuesOf<F> & {
  readonly id: string;
  readonly version: number;
  readonly created_at: string;
  readonly updated_at: string;
} & ([State] extends [never] ? unknown : { readonly status: State });

/** A field, or `true` for the entity's field of that name. */
export type InputShape<F extends Fields> = { readonly [name: string]: Field | true } & {
  readonly [K in keyof F]?: Field | true;
};

/** What an input shape gives to `decide`; without a shape, all that a client sends at creation. */
export type InputValues<F extends Fields, I> = [I] extends [undefined]
  ? InputsOf<F>
  : { readonly [K in keyof I]: I[K] extends Field ? InputOf<I[K]> : K extends keyof F ? InputOf<F[K]> : never };

export type Needs = { readonly [name: string]: Need<unknown> };

/** The records that `needs` asked for; `null` stands for one that does not exist. */
export type Loaded<N> = { readonly [K in keyof N]: N[K] extends Need<infer R> ? R : never };

/** What a creation knows before it reads anything. */
export interface Asked<Input> {
  readonly input: Input;
  readonly actor: Actor;
  /** The time of the decision. */
  readonly now: Date;
}

/** What a change knows: the same and the record. */
export interface AskedOf<State, Input> extends Asked<Input> {
  readonly state: State;
}

/** What `decide` gets on top: the records that `needs` asked for, and the way to decline. */
export interface Deciding<N> {
  readonly needs: Loaded<N>;
  readonly refuse: Refuse;
  readonly conflict: Conflict;
}

/** What `effects` gets: the decision, made. */
export interface Decided<F extends Fields, Input, N> {
  readonly input: Input;
  readonly actor: Actor;
  readonly needs: Loaded<N>;
  /** The record as it will be. */
  readonly record: ValuesOf<F> & { readonly id: string };
}

/** A path that a policy of these fields may name. */
export type PathOf<F extends Fields> = "id" | (keyof F & string) | `${keyof F & string}.${string}`;

export interface CreateOptions<F extends Fields, I, N> {
  readonly by: Policy<PathOf<F>>;
  /** What the client sends; all its own fields unless said otherwise. */
  readonly input?: I;
  readonly needs?: (asked: Asked<InputValues<F, I>>) => N;
  /** The fields that the system decides. Pure: no clock, no I/O. */
  readonly decide?: (asked: Asked<InputValues<F, I>> & Deciding<N>) => DecisionOf<F> | Refused;
  /** What happens to other records with it, in the same transaction. Pure. Needs an entity with UUIDs. */
  readonly effects?: (decided: Decided<F, InputValues<F, I>, N>) => readonly Effect[];
  /** What `conflict` may say here or in an effect, for the documents. */
  readonly conflicts?: readonly ConflictCode[];
  /** Refuses a request without an `Idempotency-Key`. */
  readonly demandsKey?: boolean;
  /** Takes up to 1,000 of them at once, too: POST /{entities}/bulk. */
  readonly bulk?: boolean;
}

/**
 * How a change is undone: by giving back the values before it, with an event of its own; `true` names that event after
 * the change's (`EmailChangedUndone`).
 */
export type GivesBack = true | { readonly event: string };

export interface UpdateOptions<F extends Fields> {
  readonly by: Policy<PathOf<F>>;
  /** Lets POST /{entities}/{id}/undo take it back. */
  readonly undo?: GivesBack;
  /** Takes up to 1,000 records at once, too: PATCH /{entities}/bulk. */
  readonly bulk?: boolean;
}

export interface ActOptions<F extends Fields, S extends string, I, N, K extends keyof ValuesOf<F>> {
  readonly by: Policy<PathOf<F>>;
  /** The fields that change with it. */
  readonly sets?: readonly (K & string)[];
  readonly input?: I;
  readonly needs?: (asked: AskedOf<RecordOf<F, S>, InputValues<F, I & {}>>) => N;
  /** Their values. Pure. */
  readonly decide?: (
    asked: AskedOf<RecordOf<F, S>, InputValues<F, I & {}>> & Deciding<N>,
  ) => Pick<ValuesOf<F>, K> | Refused;
  /** What happens to other records with it, in the same transaction. Pure. */
  readonly effects?: (decided: Decided<F, InputValues<F, I & {}>, N>) => readonly Effect[];
  /** What `conflict` may say here or in an effect, for the documents. */
  readonly conflicts?: readonly ConflictCode[];
  /** Refuses a request without an `Idempotency-Key`. */
  readonly demandsKey?: boolean;
  /** The action that takes it back, for POST /{entities}/{id}/undo: `open` for `close`. */
  readonly undo?: string;
}

export interface MoveOptions<F extends Fields, S extends string, I, N, K extends keyof ValuesOf<F>>
  extends ActOptions<F, S, I, N, K> {
  /** The state to end in, where the workflow leaves a choice. */
  readonly to?: (asked: AskedOf<RecordOf<F, S>, InputValues<F, I & {}>> & Deciding<N>) => S;
}

export interface ChangeOptions<F extends Fields> {
  readonly by: Policy<PathOf<F>>;
  /** The fields that the intent replaces: its whole input. */
  readonly fields: readonly (keyof F & string)[];
  /** An input that must equal a stored password: `{ current_password: "password" }`. */
  readonly verify?: { readonly [input: string]: keyof F & string };
  /**
   * Lets POST /{entities}/{id}/undo take it back.
   * @example email: changes("EmailChanged", { by: self, fields: ["email"], undo: true })
   */
  readonly undo?: GivesBack;
}

/** A time to wait, in one unit. @example "30 days" */
export type Duration = `${number} ${"minute" | "minutes" | "hour" | "hours" | "day" | "days"}`;

export interface DeleteOptions<F extends Fields> {
  readonly by: Policy<PathOf<F>>;
  /**
   * Whether the caller must have seen what the deletion touches: always, only where another record would be deleted or
   * let go, or never (the default). Then DELETE wants the `confirm` of GET /{entities}/{id}/impact?action=….
   */
  readonly confirm?: boolean | "when_linked";
  /** How long a deleted record can be restored before it may be purged; without it no date is set. */
  readonly wait?: Duration;
  /** How long before the purge it is announced: seven days where nothing is said. */
  readonly notice?: Duration;
}

/** What stands between a delete and its effect, as declared. */
export type Barrier = Pick<DeleteOptions<Fields>, "confirm" | "wait" | "notice">;

export type ActionKind = "create" | "update" | "change" | "move" | "act" | "delete" | "restore" | "undo";

/** A named action, as data; the only way to change a record. */
export interface Action {
  readonly kind: ActionKind;
  /** The event that records it; for a choice of targets, one per target state. Null: named after the entity. */
  readonly event: string | { readonly [target: string]: string | undefined } | null;
  readonly by: Policy;
  readonly input: { readonly [name: string]: Field | true } | null;
  readonly fields: readonly string[];
  readonly verify: { readonly [input: string]: string };
  // The four functions are checked against the declaration where they are written; here their types are erased.
  readonly needs: ((asked: never) => Needs) | null;
  readonly to: ((asked: never) => string) | null;
  readonly decide: ((asked: never) => object) | null;
  readonly effects: ((decided: never) => readonly Effect[]) | null;
  readonly conflicts: readonly ConflictCode[];
  readonly demandsKey: boolean;
  readonly bulk: boolean;
  readonly barrier: Barrier;
  /** Its inverse: the values before, or an action by its name. Null: it cannot be undone. */
  readonly undo: GivesBack | string | null;
}

const blank = {
  input: null,
  fields: [],
  verify: {},
  needs: null,
  to: null,
  decide: null,
  effects: null,
  conflicts: [],
  demandsKey: false,
  bulk: false,
  barrier: {},
  undo: null,
} as const;

/** The verbs with which an entity's actions are declared; they know its fields and states. */
export interface Verbs<F extends Fields, S extends string> {
  /** POST /{entities}: makes a record. */
  creates<const I extends InputShape<F> | undefined = undefined, N extends Needs = Record<never, never>>(
    event: string,
    options: CreateOptions<F, I, N>,
  ): Action;
  /** PATCH and PUT /{entities}/{id}: replaces any of the fields that the client owns. */
  updates(event: string, options: UpdateOptions<F>): Action;
  /** PATCH /{entities}/{id}/{action}: a narrow update of the named fields. */
  changes(event: string, options: ChangeOptions<F>): Action;
  /** POST /{entities}/{id}/{action}: a transition of the lifecycle. */
  moves<
    const I extends InputShape<F> = Record<never, never>,
    N extends Needs = Record<never, never>,
    K extends keyof ValuesOf<F> = never,
  >(event: string, options: MoveOptions<F, S, I, N, K>): Action;
  /**
   * POST /{entities}/{id}/{action}: something done to a record that leaves its state alone. It is a fact like a move:
   * each time it is done there is an event and a new version, also when every value stays what it was. (`act` is
   * another word: the effect that does a declared action to another record.)
   * @example
   * top_up: acts("WalletUpdated", {
   *   by: actorHas("admin"),
   *   input: { amount: money({ above: 0 }) },
   *   sets: ["balance"],
   *   decide: ({ state, input }) => ({ balance: sum(state.balance, input.amount) }),
   * })
   */
  acts<
    const I extends InputShape<F> = Record<never, never>,
    N extends Needs = Record<never, never>,
    K extends keyof ValuesOf<F> = never,
  >(event: string, options: ActOptions<F, S, I, N, K>): Action;
  /** POST /{entities}/{id}/{action} `{"status": …}`: a transition whose target the caller names; one event per target. */
  movesTo(events: { readonly [K in S]?: string }, options: { readonly by: Policy<PathOf<F>> }): Action;
  /** DELETE /{entities}/{id}; whoever may do it may also POST /{entities}/{id}/restore. */
  deletes(event: string, options: DeleteOptions<F>): Action;
}

/** What moves and acts have in common. */
const done = <I extends InputShape<Fields>, N extends Needs, K extends keyof ValuesOf<Fields>>(
  event: string,
  { by, sets, input, needs, decide, effects, conflicts, demandsKey, undo }: ActOptions<Fields, string, I, N, K>,
) => ({
  ...blank,
  event,
  by,
  input: input ?? {},
  fields: sets ?? [],
  needs: needs ?? null,
  decide: decide ?? null,
  effects: effects ?? null,
  conflicts: conflicts ?? [],
  demandsKey: demandsKey ?? false,
  undo: undo ?? null,
});

/** The verbs, for any entity: the types above bind them to one. */
export const verbs: Verbs<Fields, string> = {
  creates: (event, { by, input, needs, decide, effects, conflicts, demandsKey, bulk }) => ({
    ...blank,
    kind: "create",
    event,
    by,
    input: input ?? null,
    needs: needs ?? null,
    decide: decide ?? null,
    effects: effects ?? null,
    conflicts: conflicts ?? [],
    demandsKey: demandsKey ?? false,
    bulk: bulk ?? false,
  }),
  updates: (event, { by, bulk, undo }) => ({
    ...blank,
    kind: "update",
    event,
    by,
    bulk: bulk ?? false,
    undo: undo ?? null,
  }),
  changes: (event, { by, fields, verify, undo }) => ({
    ...blank,
    kind: "change",
    event,
    by,
    fields,
    verify: verify ?? {},
    undo: undo ?? null,
  }),
  moves: (event, options) => ({ ...done(event, options), kind: "move", to: options.to ?? null }),
  acts: (event, options) => ({ ...done(event, options), kind: "act" }),
  movesTo: (events, { by }) => ({ ...blank, kind: "move", event: { ...events }, by }),
  deletes: (event, { by, ...barrier }) => ({ ...blank, kind: "delete", event, by, barrier }),
};

/** What the plain four take besides. */
export interface CrudOptions<Path extends string> {
  readonly by: Policy<Path>;
  /** Which of them take up to 1,000 records at once, too: POST and PATCH /{entities}/bulk. */
  readonly bulk?: true | readonly ("create" | "update")[];
  /** Lets POST /{entities}/{id}/undo take an update back. */
  readonly undo?: GivesBack;
}

/**
 * The plain four: create, update (PATCH and PUT) and delete, with events named after the entity (`DrinkCreated`).
 * @example entity("drinks", { fields, read: anyone }, crud({ by: anyone, bulk: true }))
 */
export const crud =
  <Path extends string>({ by, bulk = [], undo }: CrudOptions<Path>) =>
  (): { readonly [name: string]: Action } => ({
    create: { ...blank, kind: "create", event: null, by, bulk: bulk === true || bulk.includes("create") },
    update: {
      ...blank,
      kind: "update",
      event: null,
      by,
      bulk: bulk === true || bulk.includes("update"),
      undo: undo ?? null,
    },
    delete: { ...blank, kind: "delete", event: null, by },
  });
