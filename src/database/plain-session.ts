import pg from "pg";
import type { Row } from "./engine.ts";

export type PlainAnswer =
  | { readonly kind: "rows"; readonly rows: readonly Row[] }
  | { readonly kind: "refused"; readonly sqlState: string; readonly message: string };

/** One connection as an ordinary client opens it: under the application's role, with whatever SQL it likes. */
export interface PlainSession {
  /**
   * Enters an actor, runs one statement, and rolls it back: what it would do can be asked as often as one likes.
   * A statement that the database turns down is an answer, not an error.
   */
  ask(actor: string | null, text: string, parameters?: readonly unknown[]): Promise<PlainAnswer>;
  close(): Promise<void>;
}

/** Opens one. For tests and reports: an application in service goes through its engine. */
export async function openPlainSession(url: string): Promise<PlainSession> {
  const client = new pg.Client({ connectionString: url, options: "-c timezone=UTC -c datestyle=ISO" });
  await client.connect();
  await client.query("set role gesta_app");
  return {
    async ask(actor, text, parameters = []) {
      await client.query("begin");
      try {
        await client.query("select gesta.enter($1)", [actor]);
        const { rows } = await client.query<string[]>({ text, values: [...parameters], rowMode: "array" });
        return { kind: "rows", rows };
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error;
        return { kind: "refused", sqlState: error.code ?? "", message: error.message };
      } finally {
        await client.query("rollback");
      }
    },
    close: () => client.end(),
  };
}
