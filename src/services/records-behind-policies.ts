import { judge, type Lookup, referencesIn } from "../domain/permit.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { Actor } from "../plan/behaviour.ts";
import type { EntityPlan, Plan, Policy } from "../plan/plan.ts";
import type { RecordsRepository } from "../repositories/records-repository.ts";

/** A record as it is stored, whoever may see it. */
export interface StoredRecord {
  readonly record: JsonObject;
  readonly deleted: boolean;
}

/** What a referenced record is to an actor: a rule that looks through it holds only where it is `readable`. */
export type Sight = "readable" | "unreadable" | "deleted" | "missing";

/**
 * The records that policies look at, read past row-level security as Gesta itself, with what the actor can see of them
 * by the policies alone: the explanation must not lean on what it explains.
 */
export class RecordsBehindPolicies {
  readonly #plan: Plan;
  readonly #records: RecordsRepository;
  readonly #actor: Actor;
  readonly #known = new Map<string, StoredRecord | null>();

  constructor(plan: Plan, records: RecordsRepository, actor: Actor) {
    this.#plan = plan;
    this.#records = records;
    this.#actor = actor;
  }

  async stored(entity: string, id: string): Promise<StoredRecord | null> {
    const key = `${entity}/${id}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const loaded = await this.#records.load(entity, "system", id);
    const found = "record" in loaded ? { record: loaded.record, deleted: loaded.outcome.endsWith("_gone") } : null;
    this.#known.set(key, found);
    return found;
  }

  /** Reads whatever the policies look through, and what the policies of those records look through. */
  async follow(entity: EntityPlan, policies: readonly Policy[], record: JsonObject): Promise<void> {
    const names = new Set(policies.flatMap(referencesIn));
    for (const { name, target } of entity.fields) {
      const id = record[name];
      const there = this.#plan.entities.find((candidate) => candidate.name === target);
      if (!names.has(name) || there === undefined || id == null) continue;
      const found = await this.stored(there.name, String(id));
      if (found !== null) await this.follow(there, [there.read], found.record);
    }
  }

  sight(name: string, id: string): Sight {
    const entity = this.#plan.entities.find((candidate) => candidate.name === name);
    const found = this.#known.get(`${name}/${id}`) ?? null;
    if (entity === undefined || found === null) return "missing";
    if (found.deleted) return "deleted";
    return judge(entity.read, this.#actor, entity, found.record, this.visible).verdict === "yes"
      ? "readable"
      : "unreadable";
  }

  /** A record that gives rights: one that the actor can read. */
  readonly visible: Lookup = (name, id) =>
    this.sight(name, id) === "readable" ? (this.#known.get(`${name}/${id}`)?.record ?? null) : null;
}
