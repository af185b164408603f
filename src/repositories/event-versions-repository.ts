import type { Engine } from "../database/engine.ts";
import { eventVersionOf } from "../plan/event-version.ts";
import type { Plan } from "../plan/plan.ts";

/** Events were written by a later declaration: this one does not know how to read them. */
export class EventsAhead extends Error {
  constructor(place: string, ahead: readonly string[]) {
    super(
      `Events in ${place} are of later versions than the declaration knows: ${ahead.join(", ")}. ` +
        "Start the declaration that wrote them, or add the missing versions to `evolution`.",
    );
    this.name = "EventsAhead";
  }
}

/**
 * Before anything is made anew in the database. What versions there are is kept as they are written, so this looks at no
 * event.
 * @throws EventsAhead where there are versions that the declaration cannot read.
 */
export async function demandReadableEvents(engine: Engine, plan: Plan): Promise<void> {
  const [table] = await engine.inspect("select to_regclass('gesta.event_versions')::text");
  if (table?.[0] == null) return;
  const rows = await engine.inspect("select entity, max(type_version)::integer from gesta.event_versions group by 1");
  const written = new Map(rows.map(([entity, version]) => [String(entity), Number(version)]));
  const ahead = plan.entities.flatMap((entity) => {
    const [latest, known] = [written.get(entity.name) ?? 1, eventVersionOf(entity)];
    return latest > known ? [`${entity.name} ${latest} (known: ${known})`] : [];
  });
  if (ahead.length > 0) throw new EventsAhead(engine.place, ahead);
}
