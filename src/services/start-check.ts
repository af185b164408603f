import type { Configuration } from "../kernel/configuration.ts";
import type { Observer } from "../kernel/observation.ts";
import { type StartFault, UnsafeStart } from "../kernel/start-fault.ts";
import { weaknesses } from "../kernel/weaknesses.ts";
import type { CatalogueRepository } from "../repositories/catalogue/catalogue-repository.ts";
import { schemaFaults } from "../repositories/catalogue/schema-faults.ts";
import { serverFaults } from "../repositories/catalogue/server-faults.ts";

export interface StartCheck {
  /**
   * Before anything is changed: refuses an unsafe environment, server or role, with whatever else is wrong.
   * @throws UnsafeStart in production
   */
  before(): Promise<void>;
  /** When the schema is that of the plan. @throws UnsafeStart in production */
  after(): Promise<void>;
}

/** Production refuses what development only warns of. */
export function startCheck(
  configuration: Configuration,
  { planned, prepare, read }: CatalogueRepository,
  observe: Observer,
): StartCheck {
  const weak = weaknesses(configuration);
  const strict = configuration.environment === "production";
  return {
    async before() {
      if (!strict) return;
      const found = await prepare()
        .then(read)
        .catch((error: unknown) => {
          throw new UnsafeStart([...weak, unreadable(error)]);
        });
      const faults = [...weak, ...serverFaults(found)];
      if (faults.length === 0) return;
      // An empty database has no schema to judge yet.
      throw new UnsafeStart(found.tables.length === 0 ? faults : [...faults, ...schemaFaults(found, planned)]);
    },
    async after() {
      const found = await read();
      const faults = [...weak, ...serverFaults(found), ...schemaFaults(found, planned)];
      if (faults.length === 0) return;
      if (strict) throw new UnsafeStart(faults);
      observe({ kind: "unsafe_start", faults });
    },
  };
}

const unreadable = (error: unknown): StartFault => ({
  what: `the database could not be asked: ${error instanceof Error ? error.message : String(error)}`,
  remedy: "check GESTA_OWNER_URL",
});
