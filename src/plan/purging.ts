import { deletionOf } from "./delete-rules.ts";
import type { EntityPlan, FieldPlan } from "./plan.ts";

/** The fields whose values belong to a person. The record itself is the subject: they share one key, and go with it. */
export const personalFields = (entity: EntityPlan): readonly FieldPlan[] =>
  entity.fields.filter(({ personal, kind }) => personal && kind !== "password");

/** Whether deleted records of it are purged, by themselves or on demand: for good, and what is personal with them. */
export const isPurgeable = (entity: EntityPlan): boolean =>
  personalFields(entity).length > 0 || waitOf(entity) !== null;

/** Milliseconds from the announcement of a purge to the purge. */
export const noticeOf = (entity: EntityPlan): number => deletionOf(entity)?.barrier?.notice ?? 0;

/** Milliseconds from a delete to the purge; null where nothing is purged by itself. */
export const waitOf = (entity: EntityPlan): number | null => deletionOf(entity)?.barrier?.wait ?? null;
