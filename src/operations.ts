import { setTimeout } from "node:timers/promises";
import type { Engine } from "./database/engine.ts";
import { openEngine } from "./database/open-engine.ts";
import { type Application, sownActor } from "./declare/application.ts";
import { type Diagnosis, diagnose } from "./domain/diagnosis.ts";
import { type LintReport, lint } from "./emit/lint/lint.ts";
import { openApiFiles } from "./emit/openapi/openapi-files.ts";
import { plannedIndexes } from "./emit/tables/planned-indexes.ts";
import { commandsParts, purgesOf, type Surroundings } from "./gesta.ts";
import { type Clock, movedClock, systemClock } from "./kernel/clock.ts";
import { signedCursors } from "./kernel/cursor.ts";
import { newIdentifier } from "./kernel/identifier.ts";
import { makePlan } from "./plan/make-plan.ts";
import { readingAll, readingOn } from "./reading.ts";
import { accountsRepository } from "./repositories/accounts-repository.ts";
import { type ClockRepository, databaseClock, fileClock } from "./repositories/clock-repository.ts";
import { databaseState } from "./repositories/health-statistics-repository.ts";
import { ledgerRepository } from "./repositories/ledger-repository.ts";
import { subjectKeys } from "./repositories/subject-keys/open-keys.ts";
import { trashRepository } from "./repositories/trash-repository.ts";
import { workflowRepository } from "./repositories/workflow-repository.ts";
import { authenticationService } from "./services/authentication-service.ts";
import { bulkService } from "./services/bulk-service.ts";
import { commandsService } from "./services/commands-service.ts";
import { type Explanation, explainService } from "./services/explain-service.ts";
import { type Exported, type ExportRequest, exportService } from "./services/export-service.ts";
import { type ImportReport, type ImportRequest, importService } from "./services/import-service.ts";
import { type LedgerService, ledgerService } from "./services/ledger-service.ts";
import type { PurgeService } from "./services/purge-service.ts";
import { configuredTokens, signToken } from "./services/tokens.ts";
import { type TrashService, trashService } from "./services/trash-service.ts";
import type { VerifyReport } from "./services/verification-service.ts";
import { entityWithWorkflow, type WorkflowService, workflowService } from "./services/workflow-service.ts";

export type { Application as RunnableApplication } from "./declare/application.ts";
export { cellOf } from "./domain/csv-cells.ts";
export { workflowFormats } from "./emit/diagram/workflow-formats.ts";
export type { Explanation } from "./services/explain-service.ts";
export type { ExplainedPart } from "./services/explained-policy.ts";
export type { ImportFile, ImportLine, ImportReport, RejectedLine } from "./services/import-service.ts";
export type { LedgerService } from "./services/ledger-service.ts";
export type { Purged, PurgeService } from "./services/purge-service.ts";
export type { TrashService } from "./services/trash-service.ts";
export type { WorkflowService } from "./services/workflow-service.ts";

// What an operator does beside a running application. Each opens the engine, does one thing, and closes it again.

/** Opens the engine for one piece of work. */
export async function onEngine<T>(around: Surroundings, work: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await openEngine(around.configuration, around.observe);
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

type Opening<Service> = <T>(
  declared: Application,
  around: Surroundings,
  work: (service: Service) => Promise<T>,
) => Promise<T>;

/** Opens the database for an operator who looks after records and their events, and closes it again. */
export const withLedger: Opening<LedgerService> = (declared, around, work) =>
  onEngine(around, async (engine) => {
    const { plan } = makePlan(declared);
    const ledger = ledgerRepository(engine, plan, subjectKeys(engine, around.configuration.keysDirectory));
    const clock = around.clock ?? (await clockHere(around));
    return work(ledgerService({ plan, ledger, clock, newId: newIdentifier }));
  });

/** Compares all records with their events. */
export const verifyApplication = (declared: Application, around: Surroundings): Promise<VerifyReport> =>
  withLedger(declared, around, (ledger) => ledger.verify());

/** The OpenAPI document of each audience, as the text of a file, by the file's name. */
export const applicationDocuments = (declared: Application): ReadonlyMap<string, string> =>
  openApiFiles(makePlan(declared).plan);

/** What the application's public face tells strangers. */
export const lintApplication = (declared: Application): LintReport => lint(makePlan(declared).plan);

/** Who `--as` means: Gesta itself, a visitor, a sown user by name, or any user by id. */
const actorNamed = (declared: Application, name: string | null) =>
  name === null || name === "system" ? "system" : name === "visitor" ? null : sownActor(declared, name);

async function demandDatabase(engine: Engine): Promise<void> {
  if (await workflowRepository(engine).exists()) return;
  throw new Error("There is no database yet. Start the application once; it makes it.");
}

/** Creates a record for each line of a file, as somebody. */
export const importFile = (
  declared: Application,
  around: Surroundings,
  name: string | null,
  request: Omit<ImportRequest, "who">,
): Promise<ImportReport> =>
  onEngine(around, async (engine) => {
    await demandDatabase(engine);
    const planned = makePlan(declared);
    const bulk = bulkService(commandsParts(planned, engine, around));
    const imports = importService({ plan: planned.plan, bulk, pause: setTimeout });
    return imports.run({ ...request, who: actorNamed(declared, name) });
  });

/** Walks through the records that somebody may read. */
export const withExport = <T>(
  declared: Application,
  around: Surroundings,
  name: string | null,
  request: Omit<ExportRequest, "who">,
  work: (exported: Exported) => Promise<T>,
): Promise<T> =>
  onEngine(around, async (primary) => {
    await demandDatabase(primary);
    return readingAll(primary, around, async (engine) => {
      const { configuration, secret, clock = systemClock } = around;
      const parts = commandsParts(makePlan(declared), engine, around);
      const { plan, records } = parts;
      const tokens = configuredTokens(configuration, secret, clock);
      const { roleOf } = authenticationService(plan, tokens, records, accountsRepository(engine));
      const { queries } = readingOn(engine, parts, signedCursors(secret), async (who) =>
        who === "system" ? null : roleOf(who),
      );
      const exports = exportService({ plan, queries, roleOf });
      return work(await exports.open({ ...request, who: actorNamed(declared, name) }));
    });
  });

/** What is wrong with the indexes and the statistics of the database. It only reads. */
export const diagnoseDatabase = (declared: Application, around: Surroundings): Promise<Diagnosis> =>
  onEngine(around, async (engine) => {
    await demandDatabase(engine);
    const { clock = systemClock } = around;
    return diagnose(plannedIndexes(makePlan(declared).plan), await databaseState(engine), clock.now());
  });

/** Opens the database for an operator who looks after the workflows, and closes it again. */
export const withWorkflows: Opening<WorkflowService> = (declared, around, work) =>
  onEngine(around, (engine) => work(workflowService(declared, makePlan(declared).plan, workflowRepository(engine))));

/** Opens the database for an operator who looks after what was deleted, and closes it again. */
export const withTrash: Opening<TrashService> = (declared, around, work) =>
  onEngine(around, (engine) => {
    const planned = makePlan(declared);
    const commands = commandsService(commandsParts(planned, engine, around));
    return work(trashService(planned.plan, trashRepository(engine), commands));
  });

/** Opens the database for an operator who purges, and closes it again. */
export const withPurges: Opening<PurgeService> = (declared, around, work) =>
  onEngine(around, (engine) => work(purgesOf(makePlan(declared), engine, around)));

/** Development's clock: PostgreSQL keeps its own; that of the embedded database is written down beside its data. */
export const withClock = <T>(around: Surroundings, work: (clock: ClockRepository) => Promise<T>): Promise<T> =>
  around.configuration.databaseUrl === null
    ? work(fileClock(around.configuration.dataDirectory))
    : onEngine(around, (engine) => work(databaseClock(engine)));

/** The time of the application that runs here, for tokens that it shall take; the machine's where no database answers. */
export const clockHere = async (around: Surroundings): Promise<Clock> =>
  around.configuration.environment === "production"
    ? systemClock
    : withClock(around, async (clock) => movedClock(await clock.ahead())).catch(() => systemClock);

/** A workflow as it is declared, without a look at any database. @throws Error for an entity that has none. */
export const declaredWorkflow = (declared: Application, entity: string) =>
  entityWithWorkflow(makePlan(declared).plan, entity);

/** What a request would be answered by what is stored now, and by which policies: for development alone. */
export async function explainRequest(
  declared: Application,
  around: Surroundings,
  method: string,
  path: string,
  name: string,
): Promise<Explanation> {
  const who = name === "visitor" ? null : sownActor(declared, name);
  return onEngine(around, (engine) => {
    const { plan, records } = commandsParts(makePlan(declared), engine, around);
    const explaining = explainService(plan, records, workflowRepository(engine));
    return explaining.explain({ method, path, who, name });
  });
}

/**
 * A bearer token for a sown user.
 * @throws Error when there is no such user.
 */
export async function seededToken(
  declared: Application,
  name: string,
  secret: string,
  clock: Clock = systemClock,
): Promise<string> {
  return signToken(secret, sownActor(declared, name), 24 * 3600, clock);
}
