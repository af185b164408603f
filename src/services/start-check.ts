import type { Observer } from "../kernel/observation.ts";
import { type StartFault, UnsafeStart } from "../kernel/start-fault.ts";
import type { Catalogue, PlannedCatalogue } from "../repositories/catalogue/catalogue.ts";
import { schemaFaults } from "../repositories/catalogue/schema-faults.ts";
import { serverFaults } from "../repositories/catalogue/server-faults.ts";

export interface StartCheckParts {
  /** Production refuses what development only warns of. */
  readonly strict: boolean;
  /** What is unsafe in the environment. */
  readonly weaknesses: readonly StartFault[];
  readonly planned: PlannedCatalogue;
  /** Makes the roles that the catalogue is asked with. */
  readonly prepare: () => Promise<void>;
  /** Reads the live catalogue. */
  readonly catalogue: () => Promise<Catalogue>;
  readonly observe: Observer;
}

export interface StartCheck {
  /**
   * Before anything is changed: refuses an unsafe environment, server or role, with whatever else is wrong.
   * @throws UnsafeStart in production
   */
  before(): Promise<void>;
  /** When the schema is that of the plan. @throws UnsafeStart in production */
  after(): Promise<void>;
}

export function startCheck({ strict, weaknesses, planned, prepare, catalogue, observe }: StartCheckParts): StartCheck {
  return {
    async before() {
      if (!strict) return;
      const found = await prepare()
        .then(catalogue)
        .catch((error: unknown) => {
          throw new UnsafeStart([...weaknesses, unreadable(error)]);
        });
      const faults = [...weaknesses, ...serverFaults(found)];
      if (faults.length === 0) return;
      // An empty database has no schema to judge yet.
      throw new UnsafeStart(found.tables.length === 0 ? faults : [...faults, ...schemaFaults(found, planned)]);
    },
    async after() {
      const found = await catalogue();
      const faults = [...weaknesses, ...serverFaults(found), ...schemaFaults(found, planned)];
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
