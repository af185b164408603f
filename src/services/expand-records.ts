import type { Expansion } from "../domain/reading/expansion.ts";
import type { Json, JsonObject } from "../kernel/json.ts";
import type { Past } from "../repositories/past-repository.ts";

/** Records by their ids, each answered in its place: as they are for who asks, or as they were. */
export type ReadMany = (entity: string, ids: readonly string[]) => Promise<readonly Past[]>;

/**
 * Puts the records that others refer to beside the references: one statement for each relation, however many records
 * there are. Whom the caller may not read, or who was deleted, is null; in a list of references, missing.
 */
export async function expand(
  readMany: ReadMany,
  expansions: readonly Expansion[],
  holders: readonly JsonObject[],
): Promise<readonly JsonObject[]> {
  const found = await Promise.all(expansions.map((expansion) => referred(readMany, expansion, holders)));
  return holders.map((holder) => {
    const members = Object.entries(holder).flatMap(([name, value]): readonly (readonly [string, Json])[] => {
      const index = expansions.findIndex(({ field }) => field === name);
      const expansion = expansions[index];
      if (expansion === undefined) return [[name, value]];
      const known = (id: Json) => found[index]?.get(String(id)) ?? null;
      const beside = Array.isArray(value) ? value.map(known).filter((record) => record !== null) : known(value);
      return [
        [name, value],
        [expansion.name, beside],
      ];
    });
    return Object.fromEntries(members);
  });
}

/** The records of one relation, by id, with what is wanted along with them. */
async function referred(
  readMany: ReadMany,
  { field, target, further }: Expansion,
  holders: readonly JsonObject[],
): Promise<ReadonlyMap<string, JsonObject>> {
  const ids = [...new Set(holders.flatMap((holder) => holder[field] ?? []).map(String))];
  if (ids.length === 0) return new Map();
  const shown = await readMany(target.name, ids);
  const bodies = shown.flatMap((each, index): readonly (readonly [string, JsonObject])[] =>
    each.outcome === "found" ? [[ids[index] ?? "", JSON.parse(each.body)]] : [],
  );
  const expanded = await expand(
    readMany,
    further,
    bodies.map(([, body]) => body),
  );
  return new Map(bodies.map(([id], index) => [id, expanded[index] ?? {}]));
}
