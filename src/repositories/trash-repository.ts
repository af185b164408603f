import type { Engine } from "../database/engine.ts";
import type { EntityPlan } from "../plan/plan.ts";
import { isPurgeable } from "../plan/purging.ts";

/** A deleted record, and the event that deleted it: the last one of its stream. */
export interface Discarded {
  readonly id: string;
  readonly deletedAt: string;
  /** `user 0190…`, `system`. */
  readonly by: string;
  /** The delete that it went with, where that was another record's. */
  readonly along: boolean;
  /** When its purge was announced, or null. */
  readonly noticedAt: string | null;
}

export interface TrashRepository {
  /** The deleted records of an entity, the last one first. */
  discarded(entity: EntityPlan, most: number): Promise<readonly Discarded[]>;
}

/** Reads past row-level security: for operators alone. */
export const trashRepository = (engine: Engine): TrashRepository => ({
  async discarded(entity, most) {
    const { name, id } = entity;
    const stream = id === "serial" ? `gesta.serial_stream('${name}', r.id)` : "r.id";
    const rows = await engine.inspect(
      `select r.id::text, gesta.instant(r.deleted_at), concat_ws(' ', e.actor_type, e.actor_id),
              exists (select from gesta.cohorts c where c.cohort = e.causation_id and c.entity = $1 and c.record_id = r.id::text),
              gesta.instant(n.at)
         from app."${name}" r
         join gesta.events e on e.stream_id = ${stream} and e.version = r.version
         left join gesta.purge_notices n on n.stream_id = e.stream_id and n.version = e.version
        where r.deleted_at is not null${isPurgeable(entity) ? " and r.purged_at is null" : ""}
        order by r.deleted_at desc, r.id desc limit $2`,
      [name, most],
    );
    return rows.map(([record, deletedAt, by, along, noticedAt]) => ({
      id: String(record),
      deletedAt: String(deletedAt),
      by: String(by),
      along: String(along).startsWith("t"),
      noticedAt: noticedAt == null ? null : String(noticedAt),
    }));
  },
});
