import { goneSince } from "../domain/deletion.ts";
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
      return new Refusal("gone", goneSince(entity, written.deletedAt));
    case "held":
      return new Refusal("conflict", {
        detail: {
          en: `A deleted record stands in \`${written.field}\` of ${written.entity}. Restore that one first.`,
          ru: `В поле \`${written.field}\` (${written.entity}) стоит удалённая запись. Сначала восстановите её.`,
        },
      });
    case "purged":
      return new Refusal("conflict", {
        detail: {
          en: "The record was purged: it cannot come back.",
          ru: "Запись удалена безвозвратно: восстановить её нельзя.",
        },
      });
    case "forbidden":
    case "not_found":
    case "unauthenticated":
    case "conflict":
      return new Refusal(written.outcome);
    case "locked":
      return new Refusal("overloaded", { retryAfter: 1 });
    case "in_flight":
      return new Refusal("idempotency_in_flight", { retryAfter: 1 });
    case "mismatch":
      return new Refusal("idempotency_mismatch");
    case "transition_not_allowed":
    case "stale":
    case "blocked":
    case "too_many":
    case "unconfirmed":
    case "unchanged":
      return new Refusal("conflict");
    case "failed": {
      const error = new Error(`the database failed: ${written.broken}`);
      observe({ kind: "database_error", statement: `write_${entity.name}`, error });
      return error;
    }
  }
}

/**
 * A deleted record gives its unique values free; whoever restores it is told how to give it another.
 * @param broken the constraint that the old value breaks now.
 */
export function takenMeanwhile(broken: string, entity: EntityPlan): Refusal {
  const field = fieldOf(entity, broken);
  if (field === undefined) {
    return new Refusal("unique", {
      detail: {
        en: "A record that went with it holds a value that another one has taken meanwhile. Change that one first.",
        ru: "Значение записи, удалённой вместе с этой, уже занято другой. Сначала измените ту запись.",
      },
    });
  }
  return new Refusal("unique", {
    errors: [{ pointer: `/${field}`, code: "unique" }],
    detail: {
      en: `Another record has taken the value of \`${field}\` meanwhile. Send a new one in the body: {"${field}": …}.`,
      ru: `Значение \`${field}\` тем временем занято. Передайте новое в теле запроса: {"${field}": …}.`,
    },
  });
}
