import type { Written } from "../../repositories/records-repository.ts";
import type { Asker } from "./cast.ts";
import type { HttpAnswer } from "./http-client.ts";

/** What the two answers come to. */
export type Verdict =
  | { readonly kind: "agreed"; readonly on: string }
  /** They differ for a reason that is meant to be: what the one side knows and the other cannot. */
  | { readonly kind: "explained"; readonly by: string }
  | { readonly kind: "disagreed" };

export const agreed = (on: string): Verdict => ({ kind: "agreed", on });
export const explained = (by: string): Verdict => ({ kind: "explained", by });
export const disagreed: Verdict = { kind: "disagreed" };

/**
 * Compares the answer to a request with that to the forged command. The one must never allow what the other's policy
 * refuses; where both refuse they must give the same reason, but for the order in which they ask.
 */
export function compareAction(who: Asker, http: HttpAnswer, sql: Written): Verdict {
  const done = sql.outcome === "done" || sql.outcome === "unchanged";
  if (sql.outcome === "failed" || http.status >= 500) return disagreed;
  if (http.status < 300) return done ? agreed("done") : disagreed;
  if (sql.outcome === "unchanged") return explained("to delete again changes nothing, so the database asks nobody");
  if (done) return withoutPolicy(http) ? explained(`the API alone checks the input (${http.code})`) : disagreed;
  if (sql.outcome === "transition_not_allowed" && [401, 403, 409, 422].includes(http.status)) {
    return http.status === 409
      ? agreed("transition_not_allowed")
      : explained(`the database asks the workflow first (HTTP ${http.status})`);
  }
  if (standing.has(sql.outcome) && [401, 403, 409, 422].includes(http.status)) {
    return http.status === 409
      ? agreed("stands in the way")
      : explained(`the database looks at what stands in the way first (HTTP ${http.status})`);
  }
  switch (http.status) {
    case 401:
      // Without a token there is one answer for everything; so there is for a token of nobody.
      if (who.id === null) return agreed("refused to a visitor");
      return !who.known && sql.outcome === "unauthenticated" ? agreed("refused to nobody") : disagreed;
    case 403:
      return sql.outcome === "forbidden" ? agreed("forbidden") : disagreed;
    case 404:
      return sql.outcome === "not_found" ? agreed("not_found") : disagreed;
    case 410:
      return sql.outcome === "gone" ? agreed("gone") : disagreed;
    case 409:
    case 422:
      if (["unique", "reference", "invalid"].includes(sql.outcome)) return agreed("invalid");
      return sql.outcome === "forbidden"
        ? explained("the API checks the input before it asks about the new record")
        : disagreed;
    default:
      return disagreed;
  }
}

/** What keeps a delete or a restore from being done, whoever asks. */
const standing: ReadonlySet<Written["outcome"]> = new Set(["conflict", "blocked", "too_many", "unconfirmed", "held"]);

/** Compares for an action that has no address: there is none to find, and in SQL nobody may do it. */
export function compareUnoffered(http: HttpAnswer, sql: Written): Verdict {
  const refused = sql.outcome !== "done" && sql.outcome !== "failed";
  return refused && (http.status === 404 || http.status === 405) ? agreed("has no address") : disagreed;
}

/** Refusals that have nothing to do with who asks. */
const withoutPolicy = ({ status, code }: HttpAnswer): boolean =>
  status === 422 || (status === 409 && code !== "transition_not_allowed");
