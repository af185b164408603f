import type { Engine } from "../database/engine.ts";
import type { RecordedEvent } from "../domain/evolve.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { EntityPlan } from "../plan/plan.ts";

/** A stored record beside the events of its stream. */
export interface StoredStream {
  readonly streamId: string;
  /** The record as stored; null when events have none. */
  readonly record: JsonObject | null;
  readonly events: readonly RecordedEvent[];
  /** Versions of events whose hash does not follow from the event before and their content. */
  readonly broken: readonly number[];
}

const streamExpression = ({ id, name }: EntityPlan): string =>
  id === "serial" ? `gesta.serial_stream('${name}', r.id)` : "r.id";

/** Reads all streams of an entity past row-level security, a page at a time: for verification alone. */
export async function* storedStreams(
  engine: Engine,
  entity: EntityPlan,
  pageSize: number,
): AsyncGenerator<StoredStream> {
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const rows = await engine.inspect(
      `with streams as (
         select distinct stream_id from gesta.events where entity = $1 and stream_id > $2::uuid
         union
         select ${streamExpression(entity)} from app."${entity.name}" r where ${streamExpression(entity)} > $2::uuid
         order by 1 limit $3
       )
       select s.stream_id::text,
              (select app.full_${entity.name}(r) from app."${entity.name}" r where ${streamExpression(entity)} = s.stream_id),
              (select gesta.instant(r.deleted_at) from app."${entity.name}" r where ${streamExpression(entity)} = s.stream_id),
              (select coalesce(jsonb_agg(jsonb_build_array(c.version, c.data, gesta.instant(c.at), c.whole) order by c.version), '[]')::text
                 from (
                   select e.version, e.data, e.at, e.hash = gesta.event_hash(
                       lag(e.hash) over (order by e.version), e.stream_id, e.version, e.id, e.entity, e.type, e.type_version,
                       e.action, e.data, e.actor_type, e.actor_id, e.reason, e.request_id, e.correlation_id,
                       e.causation_id, e.at) as whole
                     from gesta.events e where e.stream_id = s.stream_id
                 ) c)
         from streams s order by 1`,
      [entity.name, after, pageSize],
    );
    for (const [streamId, full, deletedAt, chain] of rows) {
      // The statement above built this JSON; its shape is the tuple's.
      const events = JSON.parse(String(chain)) as [number, JsonObject, string, boolean][];
      yield {
        streamId: String(streamId),
        record: full == null ? null : { ...(JSON.parse(String(full)) as JsonObject), deleted_at: deletedAt ?? null },
        events: events.map(([version, data, at]) => ({ version, data, at })),
        broken: events.filter(([, , , whole]) => !whole).map(([version]) => version),
      };
      after = String(streamId);
    }
    if (rows.length < pageSize) return;
  }
}
