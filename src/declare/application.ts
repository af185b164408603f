import { deepFreeze } from "../kernel/freeze.ts";
import { isUuid, namedIdentifier } from "../kernel/identifier.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { EntityDeclaration } from "./entity.ts";

/** Which records are the actors: a token's `sub` is the id of one. */
export interface ActorsDeclaration {
  readonly entity: string;
  /** The field that holds the actor's role. */
  readonly role: string;
  /** The states in which the actor may act; tokens of all others are refused. */
  readonly active: readonly string[];
  /** The fields to sign in with; without them there are no sessions. The first is an e-mail address that is unique. */
  readonly login?: { readonly email: string; readonly password: string };
}

/** One action to run when an empty database is sown. */
export interface SeedStep {
  readonly entity: string;
  readonly action: string;
  /** The record: `seedId` for a new one. */
  readonly id?: string;
  /** The id of the actor; Gesta itself when absent. */
  readonly as?: string;
  readonly input: JsonObject;
  /** Fields that replace what `decide` would say, for records that no client could make (an administrator). */
  readonly decided?: JsonObject;
}

/**
 * Steps that follow on each other. Neighbours of one entity and action are done together, many in one statement: they
 * act on different records.
 */
export type SeedBlock = readonly SeedStep[];

/** Blocks that need nothing of each other: they are done in any order, some at once. */
export type SeedWave = Iterable<SeedBlock>;

/** A large seed for a number of main records: made while it is done, wave after wave, so that it takes no memory. */
export type LargeSeed = (size: number) => Iterable<SeedWave>;

/** A whole application, as data. */
export interface Application {
  readonly name: string;
  readonly entities: readonly EntityDeclaration[];
  readonly actors: ActorsDeclaration | null;
  readonly seed: readonly SeedStep[];
  /** What `GESTA_SEED=large` does after `seed`; null where the application has none. */
  readonly largeSeed: LargeSeed | null;
}

/**
 * Puts entities together.
 * @example application("shop", { entities: [drinks] })
 */
export function application(
  name: string,
  parts: {
    readonly entities: readonly EntityDeclaration[];
    readonly actors?: ActorsDeclaration;
    readonly seed?: readonly SeedStep[];
    readonly largeSeed?: LargeSeed;
  },
): Application {
  const { entities, actors = null, seed = [], largeSeed = null } = parts;
  return deepFreeze({ name, entities, actors, seed, largeSeed });
}

/**
 * The id of a record that is sown under a name: the same in every database. Under the id of another record, it is that
 * of a record which belongs to it (`make`).
 * @example seedId("users", "customer1")
 */
export const seedId = (entity: string, name: string): string => namedIdentifier(`${entity}/${name}`);

/**
 * The id of the user who is sown under a name; an id stands for itself.
 * @throws Error when there is no such user.
 */
export function sownActor({ name: application, actors, seed }: Application, name: string): string {
  if (isUuid(name)) return name.toLowerCase();
  const sown = seed.filter((step) => step.entity === actors?.entity && step.id !== undefined);
  const id = actors === null ? undefined : seedId(actors.entity, name);
  if (id === undefined || !sown.some((step) => step.id === id)) {
    throw new Error(`No user '${name}' is sown with '${application}'.`);
  }
  return id;
}
