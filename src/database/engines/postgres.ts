import pg from "pg";
import type { Observer } from "../../kernel/observation.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { DatabaseError, type Engine, type Row, type Statement, vacuumText } from "../engine.ts";

export interface PostgresOptions {
  readonly url: string;
  /** The URL of a role that may own things, for migrations; the application's own where it is absent. */
  readonly ownerUrl?: string;
  readonly poolSize: number;
  /** TLS: the certificate of the server's authority, or false where the URL decides. */
  readonly certificate?: string;
  /** Milliseconds after which a connection counts as lost that does not answer; absent where the server's own limits do. */
  readonly answersWithin?: number;
  readonly observe: Observer;
  /** Told of a connection that stood and broke. */
  readonly lost?: (error: unknown) => void;
}

/**
 * Every session of the application starts as `gesta_app`, whatever the login role is, with UTC and with limits: a
 * statement that hangs must not hold a connection. No JIT, and one plan for all values of a statement: both compiling
 * and planning cost more than these statements take, and each of them looks rows up through an index of its own. No
 * sequential scan where there is an index: a plan made while a table was empty is kept while it grows.
 */
const sessionOptions =
  "-c role=gesta_app -c timezone=UTC -c datestyle=ISO -c statement_timeout=5000 -c lock_timeout=2000 " +
  "-c idle_in_transaction_session_timeout=10000 -c jit=off -c plan_cache_mode=force_generic_plan " +
  "-c enable_seqscan=off -c client_min_messages=warning";
/** Row-level security binds an owner that is no superuser, too: it reads as Gesta itself. */
const ownerOptions = "-c timezone=UTC -c datestyle=ISO -c client_min_messages=warning -c jit=off -c gesta.actor=system";

/** The engine for a PostgreSQL server, version 15 or newer. */
export function postgresEngine(options: PostgresOptions): Engine {
  const ssl = options.certificate === undefined ? {} : { ssl: { ca: options.certificate, rejectUnauthorized: true } };
  const connection = { connectionString: options.url, connectionTimeoutMillis: 2000, keepAlive: true, ...ssl };
  const pool = new pg.Pool({
    ...connection,
    max: options.poolSize,
    ...(options.answersWithin === undefined ? {} : { query_timeout: options.answersWithin }),
    options: sessionOptions,
    application_name: "gesta",
    idleTimeoutMillis: 60_000,
  });
  let losses = 0;
  const broke = (error: unknown): void => {
    losses++;
    options.observe({ kind: "connection_lost", error });
    options.lost?.(error);
  };
  // An idle connection that breaks raises here; without a listener the process would end.
  pool.on("error", broke);
  // So does one that is lent out, besides failing its statement, which is where it is reported.
  pool.on("connect", (client) => client.on("error", () => {}));

  async function asOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({
      ...connection,
      connectionString: options.ownerUrl ?? options.url,
      options: ownerOptions,
      application_name: "gesta owner",
    });
    client.on("error", (error) => options.observe({ kind: "connection_lost", error }));
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  return {
    kind: "postgres",
    place: placeOf(options.url),

    async run(statement, parameters) {
      const client = await pool.connect().catch((error: unknown) => {
        options.observe({ kind: "connection_lost", error });
        throw new Refusal("overloaded", { retryAfter: 1 }, error);
      });
      try {
        const result = await client.query<string[]>({
          name: statement.name,
          text: statement.text,
          values: [...parameters],
          rowMode: "array",
        });
        client.release();
        return result.rows;
      } catch (error) {
        // After anything but a plain refusal of the statement the connection is not to be trusted.
        const refused = sqlStateOf(error);
        client.release(refused === null);
        if (refused !== null && isShortage(refused)) {
          options.observe({ kind: "database_error", statement: statement.name, error });
          throw new Refusal("overloaded", { retryAfter: 1 }, new DatabaseError(refused, String(error), error));
        }
        if (refused !== null) throw new DatabaseError(refused, String(error), error);
        broke(error);
        throw lost(statement, error);
      }
    },

    migrate: (script) =>
      asOwner(async (client) => {
        await client.query(`begin;\n${script}\n;commit;`);
      }),

    inspect: (text, parameters = []) =>
      asOwner(async (client): Promise<readonly Row[]> => {
        const result = await client.query<string[]>({ text, values: [...parameters], rowMode: "array" });
        return result.rows;
      }),

    vacuum: (tables) =>
      asOwner(async (client) => {
        for (const table of tables) {
          await client.query(`set role ${table.startsWith("gesta_keys.") ? "gesta_keeper" : "gesta_owner"}`);
          await client.query(vacuumText(table));
        }
      }),

    losses: () => losses,

    close: () => pool.end(),
  };
}

const lost = (statement: Statement, cause: unknown): Refusal =>
  new Refusal(statement.writes ? "outcome_unknown" : "overloaded", { retryAfter: 1 }, cause);

/** The SQLSTATE of a refusal after which the session lives on; null when the connection is gone or going. */
function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return null;
  return /^(08|57P|25P0[13])/.test(error.code) ? null : error.code;
}

/** A lock or a statement that took too long, or no room: nothing was stored, and it may go well in a moment. */
const isShortage = (sqlState: string): boolean => /^(53|55P03|57014)/.test(sqlState);

function placeOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `postgres://${hostname}${port === "" ? "" : `:${port}`}${pathname}`;
}
