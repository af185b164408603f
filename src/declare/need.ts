declare const record: unique symbol;

/** An entity, as far as a need has to know it. */
export interface Readable<R> {
  readonly name: string;
  /** Exists for the type checker alone. */
  readonly [record]?: R;
}

declare const found: unique symbol;

/** A record, or several, that a decision needs; read before it, all together, by Gesta itself. */
export interface Need<Found> {
  readonly entity: string;
  readonly ids: readonly (string | null)[];
  /** A unique field and its value, instead of ids. */
  readonly key: { readonly field: string; readonly value: string | null } | null;
  readonly many: boolean;
  /** Exists for the type checker alone. */
  readonly [found]: Found;
}

const need = <Found>(
  entity: string,
  ids: readonly (string | null)[],
  key: Need<Found>["key"],
  many: boolean,
): Need<Found> =>
  // `found` lives in the type alone.
  ({ entity, ids, key, many }) as unknown as Need<Found>;

/** The record with this id, or `null`. @example one(restaurants, input.restaurant_id) */
export const one = <R>(entity: Readable<R>, id: string | null): Need<R | null> => need(entity.name, [id], null, false);

/** The records with these ids, in their order, `null` for each that does not exist. @example many(menu_items, ids) */
export const many = <R>(entity: Readable<R>, ids: readonly string[]): Need<readonly (R | null)[]> =>
  need(entity.name, ids, null, true);

/** The record whose unique field has exactly this value, or `null`. @example byKey(promotions, "code", input.promotion_code) */
export const byKey = <R>(entity: Readable<R>, field: keyof R & string, value: string | null): Need<R | null> =>
  need(entity.name, [], { field, value }, false);
