import { Refusal } from "../kernel/refusal.ts";

/** A statement with a fixed text, prepared once per connection under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Whether it changes anything: then a connection lost after sending leaves the outcome unknown. */
  readonly writes: boolean;
}

export type Row = readonly (string | number | null)[];

/**
 * A store that speaks PostgreSQL. One engine per store and purpose is made at the start and closed at shutdown.
 * Implementations stand in `engines/` and pass the same conformance suite.
 */
export interface Engine {
  readonly kind: "postgres" | "pglite";
  /** For the banner: where the data lies. Never holds a password. */
  readonly place: string;
  /** Each question is a statement of its own, sent at once: to measure what batching brings and costs. */
  readonly unbatched?: true;
  /**
   * Runs one statement as the application's role, in a transaction of its own: one round trip.
   * @throws Refusal `overloaded` when no connection was had, `outcome_unknown` when a writing one was lost.
   * @throws DatabaseError for whatever the database itself refused; then nothing was stored.
   */
  run(statement: Statement, parameters: readonly unknown[]): Promise<readonly Row[]>;
  /** Runs a script as the owner, in one transaction. For migrations alone. */
  migrate(script: string): Promise<void>;
  /** Reads as the owner, past row-level security. For migrations, verification and operators alone. */
  inspect(text: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  /** Sweeps what was changed and removed out of tables of Gesta and their indexes. A table is named with its schema. */
  vacuum(tables: readonly string[]): Promise<void>;
  /** How many connections broke so far; absent where there is none that can. */
  losses?(): number;
  close(): Promise<void>;
}

/** What the database refused, with its SQLSTATE. Never shown to a client. */
export class DatabaseError extends Error {
  readonly sqlState: string;

  constructor(sqlState: string, message: string, cause: unknown) {
    super(message, { cause });
    this.name = "DatabaseError";
    this.sqlState = sqlState;
  }
}

/** Which time limit ended a statement, its own or that of a lock it waited for; null where none did. Nothing was stored. */
export function endingLimit(error: unknown): "statement" | "lock" | null {
  if (!(error instanceof Refusal && error.cause instanceof DatabaseError)) return null;
  switch (error.cause.sqlState) {
    case "57014":
      return "statement";
    case "55P03":
      return "lock";
    default:
      return null;
  }
}

/**
 * Cleans the indexes too, however few rows are dead: what they pointed to must not be found in them.
 * @throws RangeError for what is no table's name
 */
export function vacuumText(table: string): string {
  const [, schema = "", name = ""] = /^([a-z_]+)\.([a-z][a-z0-9_]*)$/.exec(table) ?? [];
  if (name === "") throw new RangeError(`no table: ${JSON.stringify(table)}`);
  return `vacuum (index_cleanup on) ${schema}."${name}"`;
}
