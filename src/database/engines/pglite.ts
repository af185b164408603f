import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { DatabaseError, type Engine, type Row, vacuumText } from "../engine.ts";
import { lockDirectory } from "./directory-lock.ts";

/**
 * The embedded engine: PostgreSQL compiled to WebAssembly, inside this process, in one directory. Its one session is a
 * superuser, so every unit of work drops to the application's role; here row-level security is a check, not a wall.
 * @throws DirectoryLocked when another process holds the directory.
 */
export async function pgliteEngine(directory: string): Promise<Engine> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockDirectory(directory);
  const database = await PGlite.create(join(directory, "pg")).catch((error: unknown) => {
    unlock();
    throw error;
  });
  await database.exec(
    "set timezone to 'UTC'; set client_min_messages to warning; set plan_cache_mode to force_generic_plan; set enable_seqscan to off;",
  );

  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "XX000";
      throw new DatabaseError(code, String(error), error);
    }
  };

  return {
    kind: "pglite",
    place: directory,
    run: ({ text }, parameters) =>
      guarded(
        database.transaction(async (transaction) => {
          await transaction.exec("set local role gesta_app");
          const result = await transaction.query<Row>(text, [...parameters], { rowMode: "array" });
          return result.rows;
        }),
      ),
    migrate: async (script) => {
      await guarded(database.transaction((transaction) => transaction.exec(script)));
    },
    inspect: async (text, parameters = []) => {
      const result = await guarded(database.query<Row>(text, [...parameters], { rowMode: "array" }));
      return result.rows;
    },
    vacuum: async (tables) => {
      for (const table of tables) await guarded(database.query(vacuumText(table)));
    },
    close: async () => {
      await database.close();
      unlock();
    },
  };
}
