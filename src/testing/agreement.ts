import { openPlainSession, type PlainSession } from "../database/plain-session.ts";
import type { Application } from "../declare/application.ts";
import { type RunningApplication, startApplication } from "../gesta.ts";
import { systemClock } from "../kernel/clock.ts";
import { readConfiguration } from "../kernel/configuration.ts";
import { silent } from "../kernel/observation.ts";
import { makePlan } from "../plan/make-plan.ts";
import { recordsRepository } from "../repositories/records-repository.ts";
import { Comparison } from "./agreement/comparison.ts";
import { httpClient } from "./agreement/http-client.ts";
import { plainEngine } from "./agreement/plain-engine.ts";
import { seededRandom } from "./agreement/random.ts";
import { World } from "./agreement/world.ts";

export interface AgreementOptions {
  readonly application: Application;
  /** An empty PostgreSQL database, of a role that may make its tables; it is sown and then changed. */
  readonly databaseUrl: string;
  /** How many questions are put to both sides. */
  readonly cases: number;
  /** The same seed asks the same questions. */
  readonly seed: number;
}

/** The API and the database did not say the same, or not what the declared policy says. */
export interface Disagreement {
  readonly what: string;
  readonly who: string;
  readonly record: string | null;
  readonly http: string;
  readonly sql: string;
  /** What the policy, as it was declared, says of the record; empty where it was not asked. */
  readonly policy: string;
}

export interface AgreementReport {
  readonly seed: number;
  /** Questions by kind: read, list, masked, action, field, direct. */
  readonly cases: Readonly<Record<string, number>>;
  /** What both said, and how often. */
  readonly agreed: Readonly<Record<string, number>>;
  /** Differences that are meant to be, by their reason. */
  readonly explained: Readonly<Record<string, number>>;
  /** The first hundred. */
  readonly disagreements: readonly Disagreement[];
}

const secret = "signs the tokens of an agreement run";

/**
 * Asks an application over HTTP and, under its database role, in plain SQL whether random actors may see and do
 * random things to random records, and reports where the two differ from each other or, for reads, from the policy. Commands are forged: they go to the database
 * without any check of the API, and are rolled back; what the API allows is done, so that the records change.
 * @example
 * const report = await agreement({ application: shop, databaseUrl, cases: 20_000, seed });
 * expect(report.disagreements).toEqual([]);
 */
export async function agreement(options: AgreementOptions): Promise<AgreementReport> {
  const { application, databaseUrl, cases, seed } = options;
  const { plan } = makePlan(application);
  const running = await serve(application, databaseUrl);
  let session: PlainSession | undefined;
  try {
    session = await openPlainSession(databaseUrl);
    const records = recordsRepository(plainEngine(session), plan);
    const world = new World(plan, session, records);
    const client = httpClient(running.url, secret, systemClock);
    await world.look();
    const comparison = new Comparison({ plan, session, records, world, client, random: seededRandom(seed) });
    await comparison.run(cases);
    return { seed, ...comparison.outcome() };
  } finally {
    await session?.close();
    await running.close();
  }
}

const serve = (application: Application, databaseUrl: string): Promise<RunningApplication> =>
  startApplication(application, {
    configuration: readConfiguration(
      { DATABASE_URL: databaseUrl, HOST: "127.0.0.1", PORT: "0", GESTA_JWT_SECRET: secret },
      () => "",
    ),
    secret,
    observe: silent,
  });
