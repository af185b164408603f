import type { Engine } from "../database/engine.ts";

/** Removes replies to `Idempotency-Key`s that are older than 72 hours, at most so many. @returns how many it removed. */
export async function sweepReplies(engine: Engine, most: number): Promise<number> {
  const [row] = await engine.run({ name: "sweep", text: "select gesta.sweep($1)", writes: true }, [most]);
  return Number(row?.[0] ?? 0);
}
