import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../database/engine.ts";

/** How far development's clock is ahead of the machine's, in milliseconds. */
export interface ClockRepository {
  ahead(): Promise<number>;
  /** Moves it forward by so much. @returns how far it is ahead now */
  advance(milliseconds: number): Promise<number>;
}

/** PostgreSQL's clock is the one of all processes: its functions are replaced. */
export const databaseClock = (engine: Engine): ClockRepository => {
  const ahead = async () => {
    const [known] = await engine.inspect("select to_regprocedure('gesta.ahead()')::text");
    if (known?.[0] == null) return 0;
    const [row] = await engine.inspect("select gesta.ahead()");
    return Number(row?.[0] ?? 0);
  };
  return {
    ahead,
    async advance(milliseconds) {
      await engine.migrate(`${lock}
set local role gesta_owner;
select gesta.move_clock(gesta.ahead() + ${Math.trunc(milliseconds)});`);
      return ahead();
    },
  };
};

/** One mover at a time: the next one adds to what this one made. */
const lock = "select pg_advisory_xact_lock(hashtextextended('gesta.clock', 0));";

/**
 * The embedded database belongs to one process. Whoever moves its clock writes down how far, beside the data; the process
 * that holds the database, now or later, brings it there (`followingClock`).
 */
export function fileClock(directory: string): ClockRepository {
  const path = join(directory, "clock");
  const read = () => {
    try {
      return Number(readFileSync(path, "utf8")) || 0;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
      throw error;
    }
  };
  return {
    ahead: async () => read(),
    async advance(milliseconds) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const ahead = read() + milliseconds;
      writeFileSync(path, String(ahead), { mode: 0o600 });
      return ahead;
    },
  };
}

/** How far the clock of a running application is ahead; the embedded database is moved to what was written down. */
export function followingClock(engine: Engine, directory: string): () => Promise<number> {
  const ask = async () => {
    const [row] = await engine.run({ name: "ahead", text: "select gesta.ahead()", writes: false }, []);
    return Number(row?.[0] ?? 0);
  };
  if (engine.kind === "postgres") return ask;
  const { ahead: wanted } = fileClock(directory);
  let known: number | null = null;
  return async () => {
    known ??= await ask();
    const next = await wanted();
    if (next > known) {
      await engine.migrate(`set local role gesta_owner;\nselect gesta.move_clock(${next});`);
      known = next;
    }
    return known;
  };
}
