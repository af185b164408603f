import { deletionOf } from "../plan/delete-rules.ts";
import type { EntityPlan } from "../plan/plan.ts";

/** What is told of a deleted record: since when, and where it is planned, until when it can come back. */
export interface Gone {
  readonly deleted_at: string;
  readonly purge_at?: string;
}

export function goneSince(entity: EntityPlan, deletedAt: string): Gone {
  const wait = deletionOf(entity)?.barrier?.wait ?? null;
  if (wait === null) return { deleted_at: deletedAt };
  return { deleted_at: deletedAt, purge_at: new Date(Date.parse(deletedAt) + wait).toISOString() };
}
