/**
 * Who may: plain data over the actor, the record and its references. The same value becomes row-level security
 * in the database and the check in the API. A path is a field of the record (`user_id`, `id`) or of a record that
 * it refers to (`restaurant_id.staff_ids`).
 */
export type Policy<Path extends string = string> =
  | { readonly kind: "anyone" }
  | { readonly kind: "nobody" }
  | { readonly kind: "signed_in" }
  | { readonly kind: "actor_has"; readonly roles: readonly string[] }
  | { readonly kind: "actor_is"; readonly path: Path; readonly audience: string | null }
  | { readonly kind: "actor_in"; readonly path: Path; readonly audience: string | null }
  | { readonly kind: "any_of"; readonly policies: readonly Policy<Path>[] }
  | { readonly kind: "all_of"; readonly policies: readonly Policy<Path>[] };

/** Everybody, visitors without a token included. */
export const anyone: Policy<never> = { kind: "anyone" };

/** Nobody but Gesta itself. */
export const nobody: Policy<never> = { kind: "nobody" };

/** Whoever sent a valid token. */
export const signedIn: Policy<never> = { kind: "signed_in" };

/**
 * The actor has one of these roles.
 * @example actorHas("manager", "admin")
 */
export const actorHas = (...roles: readonly string[]): Policy<never> => ({ kind: "actor_has", roles });

/**
 * The field holds the actor's id. `audience` is the role of the users whom it can hold, where that is one: documents
 * for all others (`/openapi.json`) then leave out what only they may do.
 * @example actorIs("user_id", { audience: "customer" })
 */
export const actorIs = <const Path extends string>(
  path: Path,
  options: { readonly audience?: string } = {},
): Policy<Path> => ({ kind: "actor_is", path, audience: options.audience ?? null });

/**
 * The list field, of the record or of one that it refers to, holds the actor's id. `audience` names these actors
 * where documents are written for them (`/openapi.json`): it is the role that such users usually have.
 * @example actorIn("restaurant_id.staff_ids", { audience: "staff" })
 */
export const actorIn = <const Path extends string>(
  path: Path,
  options: { readonly audience?: string } = {},
): Policy<Path> => ({ kind: "actor_in", path, audience: options.audience ?? null });

/** At least one of the policies holds. */
export const anyOf = <Path extends string = never>(...policies: readonly Policy<Path>[]): Policy<Path> => ({
  kind: "any_of",
  policies,
});

/** Every one of the policies holds. */
export const allOf = <Path extends string = never>(...policies: readonly Policy<Path>[]): Policy<Path> => ({
  kind: "all_of",
  policies,
});
