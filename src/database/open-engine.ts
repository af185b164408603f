import type { Configuration } from "../kernel/configuration.ts";
import type { Observer } from "../kernel/observation.ts";
import type { Engine } from "./engine.ts";
import { pgliteEngine } from "./engines/pglite.ts";
import { postgresEngine } from "./engines/postgres.ts";

/** The engine that the configuration names: PostgreSQL, or the embedded one. */
export const openEngine = (configuration: Configuration, observe: Observer): Promise<Engine> =>
  configuration.databaseUrl === null
    ? pgliteEngine(configuration.dataDirectory)
    : Promise.resolve(
        postgresEngine({
          url: configuration.databaseUrl,
          ...(configuration.ownerUrl === null ? {} : { ownerUrl: configuration.ownerUrl }),
          ...(configuration.databaseCertificate === null ? {} : { certificate: configuration.databaseCertificate }),
          poolSize: configuration.poolSize,
          observe,
        }),
      );
