import { evolve } from "../domain/evolve.ts";
import { type PlacedEvent, type Undoing, type UndoObstacle, undoingOf } from "../domain/undo.ts";
import type { Fault } from "../kernel/fault.ts";
import type { JsonObject } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { EntityPlan } from "../plan/plan.ts";
import type { PastRepository } from "../repositories/past-repository.ts";

const atOnce = 1000;

/**
 * Finds an event of a record, looking from the last one back.
 * @param wanted its id; null for the last one
 * @returns null where the record has none of that id.
 */
export async function placedEvent(
  past: PastRepository,
  entity: EntityPlan,
  id: string,
  wanted: string | null,
): Promise<PlacedEvent | null> {
  const later: PlacedEvent["later"][number][] = [];
  for (let beyond: number | null = null; ; ) {
    const limit = wanted === null ? 0 : atOnce;
    // Gesta itself looks: what an undo gives back is no secret to whoever may do it, and masks would spoil it.
    const slice = await past.history(entity.name, "system", id, { newestFirst: true, beyond, skip: 0, limit });
    if (slice.outcome !== "found") return null;
    const { events } = slice;
    const place = wanted === null ? events.length - 1 : events.findIndex((event) => event.id === wanted);
    const event = events[place];
    if (event !== undefined) {
      const before = events.slice(0, place).reduce<JsonObject>(evolve, slice.before);
      return { event, before, later: [...events.slice(place + 1), ...later] };
    }
    later.unshift(...events);
    const [first] = events;
    if (first === undefined || first.version === 1) return null;
    beyond = first.version;
  }
}

/** The last event of a record, where the entity has something to undo: whether it can be, depends on it. */
export async function lastEvent(
  past: PastRepository,
  entity: EntityPlan,
  record: JsonObject,
): Promise<PlacedEvent | null> {
  if (!entity.actions.some(({ kind }) => kind === "undo")) return null;
  return placedEvent(past, entity, String(record.id), null);
}

/** How an event is taken back. @throws Refusal `conflict` that names what is in the way. */
export function demandUndoing(entity: EntityPlan, placed: PlacedEvent): Undoing {
  const undoing = undoingOf(entity, placed);
  if ("action" in undoing) return undoing;
  throw inTheWay(placed, undoing);
}

function inTheWay({ event }: PlacedEvent, obstacle: UndoObstacle): Refusal {
  const { type, version } = event;
  switch (obstacle.why) {
    case "no_inverse":
      return new Refusal("conflict", {
        detail: {
          en: `${type} (version ${version}) cannot be undone: it declares no inverse, or is an undo itself. Name another event.`,
          ru: `${type} (версия ${version}) нельзя отменить: обратного действия нет, или это уже отмена. Укажите другое событие.`,
        },
      });
    case "undone":
      return new Refusal("conflict", {
        detail: {
          en: `${type} (version ${version}) was undone by version ${obstacle.by.version} already.`,
          ru: `${type} (версия ${version}) уже отменено версией ${obstacle.by.version}.`,
        },
      });
    case "nothing":
      return new Refusal("conflict", {
        detail: {
          en: `${type} (version ${version}) changed nothing, so there is nothing to give back.`,
          ru: `${type} (версия ${version}) ничего не изменило, возвращать нечего.`,
        },
      });
    case "changed": {
      const errors: readonly Fault[] = obstacle.fields.map(({ name, by }) => ({
        pointer: `/${name}`,
        code: "changed_since",
        parameters: { event: by.type, version: by.version },
      }));
      return new Refusal("conflict", {
        errors,
        detail: {
          en: `What ${type} (version ${version}) changed has changed again since. Undo that first, or send the values yourself.`,
          ru: `То, что изменило ${type} (версия ${version}), с тех пор менялось снова. Сначала отмените это или передайте значения сами.`,
        },
      });
    }
  }
}

/** The values before are no longer allowed: a rule has changed since, or what they refer to is gone. */
export const noLongerValid = (refusal: Refusal): Refusal =>
  new Refusal("conflict", {
    ...(refusal.told.errors === undefined ? {} : { errors: refusal.told.errors }),
    detail: {
      en: "The values before are no longer allowed. Send others with the action itself.",
      ru: "Прежние значения больше не допускаются. Передайте другие самим действием.",
    },
  });
