export { DatabaseError, type Engine, type Row, type Statement } from "./engine.ts";
export { pgliteEngine } from "./engines/pglite.ts";
export { type PostgresOptions, postgresEngine } from "./engines/postgres.ts";
