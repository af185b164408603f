import type { Configuration } from "../kernel/configuration.ts";
import type { Observer } from "../kernel/observation.ts";
import type { Engine } from "./engine.ts";
import { pgliteEngine } from "./engines/pglite.ts";
import { postgresEngine } from "./engines/postgres.ts";
import { openReplicas, type Replicas } from "./replicas/replicas.ts";

/** The engine that the configuration names: PostgreSQL, or the embedded one. */
export async function openEngine(configuration: Configuration, observe: Observer): Promise<Engine> {
  const engine =
    configuration.databaseUrl === null
      ? await pgliteEngine(configuration.dataDirectory)
      : postgresEngine({
          url: configuration.databaseUrl,
          ...(configuration.ownerUrl === null ? {} : { ownerUrl: configuration.ownerUrl }),
          ...(configuration.databaseCertificate === null ? {} : { certificate: configuration.databaseCertificate }),
          poolSize: configuration.poolSize,
          observe,
        });
  return configuration.batching ? engine : { ...engine, unbatched: true };
}

/** The read replicas of the database that the configuration names; null where it names none. */
export async function openReplicasOf(
  { databaseUrl, databaseCertificate, replicaUrls, replicaMaxLag, poolSize }: Configuration,
  primary: Engine,
  observe: Observer,
): Promise<Replicas | null> {
  if (databaseUrl === null || replicaUrls.length === 0) return null;
  return openReplicas({
    ...{ urls: replicaUrls, primary, primaryUrl: databaseUrl, certificate: databaseCertificate },
    ...{ poolSize, maxLag: replicaMaxLag, observe },
  });
}
