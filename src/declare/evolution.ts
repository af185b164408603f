/** One step in reading an older event: what its data become. Data, not a function: the database does it. */
export type Upcast =
  | { readonly kind: "renamed"; readonly from: string; readonly to: string }
  | { readonly kind: "dropped"; readonly name: string }
  | { readonly kind: "mapped"; readonly name: string; readonly words: { readonly [old: string]: string } }
  | { readonly kind: "defaulted"; readonly name: string; readonly value: string | number | boolean };

/**
 * A field that had another name in older events.
 * @example entity("users", { fields: { email: email() }, read: anyone, evolution: [[renamed("mail", "email")]] }, …)
 */
export const renamed = (from: string, to: string): Upcast => ({ kind: "renamed", from, to });

/**
 * A field of older events that no longer counts.
 * @example evolution: [[dropped("fax")]]
 */
export const dropped = (name: string): Upcast => ({ kind: "dropped", name });

/**
 * Words that a field, or `status`, had in older events; others stay as they are.
 * @example evolution: [[mapped("status", { shipped: "on_way" })]]
 */
export const mapped = (name: string, words: { readonly [old: string]: string }): Upcast => ({
  kind: "mapped",
  name,
  words,
});

/**
 * The value of a field that records made by older events do not have.
 * @example evolution: [[defaulted("city", "Moscow")]]
 */
export const defaulted = (name: string, value: string | number | boolean): Upcast => ({
  kind: "defaulted",
  name,
  value,
});
