import { Batch, limitsOn } from "../../database/batch.ts";
import type { Engine } from "../../database/engine.ts";
import type { SubjectKeys } from "./subject-keys.ts";

const usualLimits = { size: 64, lanes: 2, waiting: 2000 };

/**
 * Keys in the schema `gesta_keys` of the same database: made in the transaction of the first values, destroyed in that
 * of the purge.
 */
export function schemaKeys(engine: Engine): SubjectKeys {
  const limits = limitsOn(engine, usualLimits);
  const keys = new Batch<string, Buffer | null>(async (subjects) => {
    const text = "select place, key from gesta_keys.keys_of($1::uuid[])";
    const rows = await engine.run({ name: "keys_of", text, writes: false }, [subjects]);
    const found = new Map(rows.map(([place, key]) => [Number(place), key]));
    return subjects.map((_, index) => {
      const key = found.get(index + 1);
      return key == null ? null : Buffer.from(String(key), "base64");
    });
  }, limits);
  return {
    keysOf: (subjects) => Promise.all(subjects.map((subject) => keys.ask(subject))),
    keep: async () => false,
    discard: async () => {},
    destroy: async () => {},
    destroyed: async () => [],
  };
}
