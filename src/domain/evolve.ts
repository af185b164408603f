import type { Json, JsonObject } from "../kernel/json.ts";

/** An event of a record's stream, as far as state depends on it. */
export interface RecordedEvent {
  readonly version: number;
  readonly data: JsonObject;
  /** UTC, RFC 3339, milliseconds. */
  readonly at: string;
}

/** The state after one more event. Pure. */
export const evolve = (state: JsonObject | null, event: RecordedEvent): JsonObject => {
  const base: Readonly<Record<string, Json>> = state ?? { created_at: event.at, deleted_at: null };
  return { ...base, ...event.data, version: event.version, updated_at: event.at };
};

/** The state after all events of a stream, in the order of their versions; null for none. */
export const fold = (events: readonly RecordedEvent[]): JsonObject | null =>
  events.reduce(evolve, null as JsonObject | null);

/** The events that had happened by a moment: those that show it or an earlier one. */
export const upTo = <E extends RecordedEvent>(events: readonly E[], moment: string): readonly E[] =>
  events.filter(({ at }) => at <= moment);
