import type { Engine } from "../database/engine.ts";

/** Whether a database has got all that it is sown with. */
export type Sowing = "done" | "at_work" | "given_up";

/** What the transaction that makes the tables of a database adds, so that no database is taken for sown before it is. */
export const seedIsOwed = "insert into gesta.migrations (name, hash) values ('seed', 'unfinished');";

/** The mark that a sown database carries. One without any was made without a seed. */
export interface SeedRepository {
  state(): Promise<Sowing>;
  /** Says that the process that sows is alive. */
  touch(): Promise<void>;
  finish(): Promise<void>;
}

/** Seconds without a sign of life after which nobody sows any more; the embedded database has one process alone. */
const silence = { postgres: 20, pglite: 0 };

export function seedRepository(engine: Engine): SeedRepository {
  const mark = (set: string) =>
    engine.migrate(`set local role gesta_owner; update gesta.migrations set ${set} where name = 'seed'`);
  return {
    async state() {
      const [row] = await engine.inspect(
        "select hash, (applied_at > now() - make_interval(secs => $1))::text from gesta.migrations where name = 'seed'",
        [silence[engine.kind]],
      );
      if (row === undefined || row[0] === "done") return "done";
      return row[1] === "true" ? "at_work" : "given_up";
    },
    touch: () => mark("applied_at = now()"),
    finish: () => mark("hash = 'done', applied_at = now()"),
  };
}
