import type { Observer } from "../kernel/observation.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { EntityPlan } from "../plan/plan.ts";
import type { Written } from "../repositories/records-repository.ts";

/** The field that a constraint of the entity's table guards: `users_email_key` → `email`. */
const fieldOf = (entity: EntityPlan, constraint: string): string | undefined =>
  entity.fields.find(({ name }) =>
    ["key", "check", "reference"].some((kind) => constraint === `${entity.name}_${name}_${kind}`),
  )?.name;

/** What the caller is told when the database refused a change. Names of constraints stay here. */
export function refusalOf(
  written: Exclude<Written, { outcome: "done" }>,
  entity: EntityPlan,
  observe: Observer,
): Error {
  switch (written.outcome) {
    case "unique":
    case "reference":
    case "invalid": {
      const field = fieldOf(entity, written.broken);
      const code = { unique: "unique", reference: "not_found", invalid: "invalid" } as const;
      const errors = [{ pointer: field === undefined ? "" : `/${field}`, code: code[written.outcome] }];
      return written.outcome === "unique" ? new Refusal("unique", { errors }) : Refusal.invalid(errors);
    }
    case "frozen": {
      const errors = written.fields.map((name) => ({ pointer: `/${name}`, code: "frozen" as const }));
      return new Refusal("transition_not_allowed", { status_now: written.state, errors });
    }
    case "gone":
      return new Refusal("gone", { deleted_at: written.deletedAt });
    case "forbidden":
    case "not_found":
    case "unauthenticated":
    case "conflict":
      return new Refusal(written.outcome);
    case "in_flight":
      return new Refusal("idempotency_in_flight", { retryAfter: 1 });
    case "mismatch":
      return new Refusal("idempotency_mismatch");
    case "transition_not_allowed":
    case "stale":
    case "unchanged":
      return new Refusal("conflict");
    case "failed": {
      const error = new Error(`the database failed: ${written.broken}`);
      observe({ kind: "database_error", statement: `write_${entity.name}`, error });
      return error;
    }
  }
}
