import { createHash } from "node:crypto";
import { startUpkeep } from "./background/upkeep.ts";
import type { Engine } from "./database/engine.ts";
import { openEngine, openReplicasOf } from "./database/open-engine.ts";
import type { Replicas } from "./database/replicas/replicas.ts";
import type { Application } from "./declare/application.ts";
import { actionSchema } from "./emit/json-schema/action-schema.ts";
import { documentsFor } from "./emit/openapi/openapi-emitter.ts";
import { emitCatalogue, emitSchema } from "./emit/schema-emitter.ts";
import { type Clock, systemClock } from "./kernel/clock.ts";
import type { Configuration } from "./kernel/configuration.ts";
import { signedCursors } from "./kernel/cursor.ts";
import { parseDestroyed } from "./kernel/destroyed-subjects.ts";
import { newIdentifier } from "./kernel/identifier.ts";
import type { Observer } from "./kernel/observation.ts";
import { newSecret } from "./kernel/secret-token.ts";
import { makePlan, type Planned } from "./plan/make-plan.ts";
import { httpServer } from "./presentation/http/server.ts";
import { readingOn, replicaReads } from "./reading.ts";
import { accountsRepository } from "./repositories/accounts-repository.ts";
import { catalogueRepository } from "./repositories/catalogue/catalogue-repository.ts";
import { followingClock } from "./repositories/clock-repository.ts";
import { demandReadableEvents } from "./repositories/event-versions-repository.ts";
import { askForLife } from "./repositories/health-repository.ts";
import { pastRepository } from "./repositories/past-repository.ts";
import { purgeRepository } from "./repositories/purge-repository.ts";
import { recordsRepository } from "./repositories/records-repository.ts";
import { prepareSchema } from "./repositories/schema-repository.ts";
import { seedIsOwed, seedRepository } from "./repositories/seed-repository.ts";
import { subjectKeys } from "./repositories/subject-keys/open-keys.ts";
import { sweepReplies } from "./repositories/sweep-repository.ts";
import { workflowRepository } from "./repositories/workflow-repository.ts";
import { apiKeysService } from "./services/api-keys-service.ts";
import { authenticationService } from "./services/authentication-service.ts";
import { bulkService } from "./services/bulk-service.ts";
import { commandsService } from "./services/commands-service.ts";
import { signedConfirmations } from "./services/confirmations.ts";
import { developmentClock } from "./services/development-clock.ts";
import { sowLarge } from "./services/large-seed-service.ts";
import { argon2Passwords } from "./services/passwords.ts";
import { purgeService } from "./services/purge-service.ts";
import { sow } from "./services/seed-service.ts";
import { sessionsService } from "./services/sessions-service.ts";
import { sowing, sown } from "./services/sowing.ts";
import { startCheck } from "./services/start-check.ts";
import { configuredTokens } from "./services/tokens.ts";
import { workflowsInForce } from "./services/workflows-in-force.ts";

/** What a process hands in besides its configuration. */
export interface Surroundings {
  readonly configuration: Configuration;
  /** Signs cursors and, without a key set, tokens. */
  readonly secret: string;
  readonly observe: Observer;
  readonly clock?: Clock;
}

/** An application that serves. */
export interface RunningApplication {
  readonly url: string;
  readonly engine: Engine["kind"];
  /** Where the data lies. */
  readonly place: string;
  /** Whether this start made and sowed the database. */
  readonly fresh: boolean;
  /** Finishes what was accepted, then closes the engine. */
  close(): Promise<void>;
}

/** Starts an application: declaration → plan → database → services → HTTP. */
export async function startApplication(declared: Application, around: Surroundings): Promise<RunningApplication> {
  const { configuration, observe } = around;
  const planned = makePlan(declared);
  const engine = await openEngine(configuration, observe);
  let replicas: Replicas | null = null;
  try {
    const check = startCheck(configuration, catalogueRepository(engine, emitCatalogue(planned.plan)), observe);
    await check.before();
    await demandReadableEvents(engine, planned.plan);
    const owed = configuration.seed === "large" ? seedIsOwed : "";
    const { fresh } = await prepareSchema(engine, emitSchema(planned.plan), owed);
    await check.after();
    if (!fresh && configuration.seed !== "none") await sown(seedRepository(engine), engine.place);
    const isProduction = configuration.environment === "production";
    const follows = isProduction ? null : developmentClock(followingClock(engine, configuration.dataDirectory));
    await follows?.follow();
    const placed = { ...around, clock: around.clock ?? follows ?? systemClock };
    await reapplyPurges(planned, engine, around);
    replicas = await openReplicasOf(configuration, engine, observe);
    const server = await serve(planned, engine, replicas, placed, placed.clock, fresh);
    const url = await server.listen({ host: configuration.host, port: configuration.port });
    const background =
      engine.kind === "postgres" ? await openEngine({ ...configuration, poolSize: 1 }, observe) : engine;
    const upkeep = startUpkeep({
      sweepReplies: (most) => sweepReplies(background, most),
      purges: purgesOf(planned, background, around),
      clock: follows,
      observe,
    });
    let closing: Promise<void> | undefined;
    const close = async () => {
      await server.close();
      await upkeep.stop();
      if (background !== engine) await background.close();
      await replicas?.close();
      await engine.close();
    };
    return {
      url,
      engine: engine.kind,
      place: engine.place,
      fresh,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await replicas?.close();
    await engine.close();
    throw error;
  }
}

const keyFor = (purpose: string, secret: string) => createHash("sha256").update(`${purpose}/${secret}`).digest("hex");

/** What purges are done with. */
export const purgesOf = ({ plan }: Planned, engine: Engine, { configuration, observe }: Surroundings) => {
  const keys = subjectKeys(engine, configuration.keysDirectory);
  return purgeService({ plan, purges: purgeRepository(engine), keys, observe });
};

/** Purges again what a restored backup brought back, before anybody is served. */
async function reapplyPurges(planned: Planned, engine: Engine, around: Surroundings): Promise<void> {
  const { keysDirectory, destroyedSubjects } = around.configuration;
  const apart = await subjectKeys(engine, keysDirectory).destroyed();
  await purgesOf(planned, engine, around).reapply([...apart, ...parseDestroyed(destroyedSubjects ?? "")]);
}

/** What commands are done with. */
export const commandsParts = ({ plan, behaviours }: Planned, engine: Engine, around: Surroundings) => {
  const { secret, observe, clock = systemClock } = around;
  const keys = subjectKeys(engine, around.configuration.keysDirectory);
  return {
    ...{ plan, behaviours, clock, observe, newId: newIdentifier },
    records: recordsRepository(engine, plan, keys),
    past: pastRepository(engine, plan, keys),
    workflows: workflowsInForce(workflowRepository(engine)),
    passwords: argon2Passwords(),
    confirmations: signedConfirmations(keyFor("confirmations", secret), clock),
  };
};

async function serve(
  planned: Planned,
  engine: Engine,
  replicas: Replicas | null,
  around: Surroundings,
  clock: Clock,
  fresh: boolean,
) {
  const { configuration, observe, secret } = around;
  const parts = commandsParts(planned, engine, around);
  const { plan, records, passwords, newId } = parts;
  const commands = commandsService(parts);
  const { seed, seedOrders } = configuration;
  if (fresh && seed === "small") await sow(plan, commands, planned.seed);
  if (fresh && seed === "large") {
    await sowing(seedRepository(engine), async () => {
      await sow(plan, commands, planned.seed);
      await sowLarge(parts, planned.largeSeed?.(seedOrders) ?? []);
    });
  }

  const tokens = configuredTokens(configuration, secret, clock);
  const accounts = accountsRepository(engine);
  const authentication = authenticationService(plan, tokens, records, accounts);
  const cursors = signedCursors(keyFor("cursors", secret));
  const { sessionHours, trustedProxies, environment, replicaMaxLag } = configuration;
  return httpServer({
    ...readingOn(engine, parts, cursors, authentication.roleOf),
    replicas: replicaReads(replicas, replicaMaxLag, clock, (place) =>
      readingOn(place, commandsParts(planned, place, around), cursors, authentication.roleOf),
    ),
    plan,
    authentication,
    sessions: sessionsService({ plan, records, accounts, passwords, newId, newSecret, sessionHours }),
    apiKeys: apiKeysService({ plan, accounts, authentication, newId, newSecret }),
    commands,
    bulk: bulkService(parts),
    schemaOf: actionSchema,
    cursors,
    documentFor: documentsFor(plan),
    ready: () => askForLife(engine),
    sessionHours,
    secureCookies: environment === "production",
    trustedProxies,
    observe,
  });
}
