import { referencesIn } from "../domain/permit.ts";
import { referredBy } from "../domain/references.ts";
import { readIdentifier } from "../kernel/identifier.ts";
import { isObject, type JsonObject } from "../kernel/json.ts";
import type { ActionPlan, EntityPlan } from "../plan/plan.ts";
import type { KnownRecords } from "./known-records.ts";

/** One of many that an action is done to. */
interface Item {
  readonly id: string | null;
  readonly input: unknown;
}

/** Reads what the items will ask for, one statement for each entity: the records, and what they and the input refer to. */
export async function loadTogether(
  known: KnownRecords,
  entity: EntityPlan,
  action: ActionPlan,
  items: readonly Item[],
): Promise<void> {
  if (action.kind !== "create") {
    await known.loadAll(
      entity.name,
      items.flatMap(({ id }) => id ?? []),
    );
  }
  const through = referencesIn(action.by);
  const lookedThrough = entity.fields.filter(({ name }) => through.includes(name));
  const wanted = new Map<string, Set<string>>();
  const want = (fields: EntityPlan["fields"], record: JsonObject) => {
    for (const { entity: target, id, idKind } of referredBy(fields, record)) {
      const ids = wanted.get(target) ?? new Set();
      wanted.set(target, ids.add(readIdentifier(idKind, id)));
    }
  };
  for (const { id, input } of items) {
    // What the client sent is checked later; whatever is no id reads as one that no record has.
    if (isObject(input)) want(action.input, input as JsonObject);
    const record = id === null ? null : known.visible(entity.name, id);
    if (record !== null) want(lookedThrough, record);
  }
  await Promise.all([...wanted].map(([target, ids]) => known.loadAll(target, ids)));
}
