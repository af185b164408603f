import type { TestProject } from "vitest/node";
import { startPostgres } from "../../src/testing/postgres-server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Superuser URL of the PostgreSQL server of this run, database `postgres`. */
    readonly postgresUrl: string;
  }
}

/** One PostgreSQL server for the whole run; a test takes a database of its own on it with `freshDatabase()`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Nothing here has to survive a power loss, and fsync is most of a small test's time. A test that kills the server
  // starts one of its own, with fsync on.
  const server = await startPostgres({ fsync: "off", full_page_writes: "off" });
  project.provide("postgresUrl", server.url());
  return () => server.stop();
}
