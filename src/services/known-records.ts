import { referencesIn, system, visitor } from "../domain/permit.ts";
import type { JsonObject } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Actor, Deciding, NeedPlan } from "../plan/behaviour.ts";
import type { EntityPlan, Plan, Policy } from "../plan/plan.ts";
import type { LoadedRecord, RecordsRepository, Who } from "../repositories/records-repository.ts";

/** The records that one command looks at: each is read once, all that are asked for together go in one batch. */
export class KnownRecords {
  readonly #records: RecordsRepository;
  readonly #who: Who;
  readonly #asked = new Map<string, Promise<LoadedRecord>>();
  readonly #known = new Map<string, LoadedRecord>();

  constructor(records: RecordsRepository, who: Who) {
    this.#records = records;
    this.#who = who;
  }

  async load(entity: string, id: string): Promise<LoadedRecord> {
    const key = `${entity}/${id}`;
    const asked = this.#asked.get(key) ?? this.#records.load(entity, this.#who, id);
    this.#asked.set(key, asked);
    const loaded = await asked;
    if (loaded.outcome === "unauthenticated") throw new Refusal("unauthenticated");
    this.#known.set(key, loaded);
    return loaded;
  }

  /** Reads many at once, so that each is known when it is asked for. */
  async loadAll(entity: string, ids: Iterable<string>): Promise<void> {
    const wanted = [...new Set(ids)].filter((id) => !this.#asked.has(`${entity}/${id}`));
    if (wanted.length === 0) return;
    const found = this.#records.loadAll(entity, this.#who, wanted);
    for (const [place, id] of wanted.entries()) {
      const one = found.then((all) => all[place] ?? { outcome: "missing" as const });
      this.#asked.set(`${entity}/${id}`, one);
    }
    await Promise.all(wanted.map((id) => this.load(entity, id)));
  }

  /** A loaded record, if the actor can read it and it is not deleted. */
  readonly visible = (entity: string, id: string): JsonObject | null => {
    const loaded = this.#known.get(`${entity}/${id}`);
    return loaded?.outcome === "visible" ? loaded.record : null;
  };

  /** Reads the records that the policies look through. */
  async loadReferences(entity: EntityPlan, policies: readonly Policy[], record: JsonObject): Promise<void> {
    const names = new Set(policies.flatMap(referencesIn));
    if (names.size === 0) return;
    await Promise.all(
      entity.fields
        .filter((field) => names.has(field.name) && field.target !== null && record[field.name] != null)
        .map((field) => this.load(field.target ?? "", String(record[field.name]))),
    );
  }

  /** What an action needs, by the names that it gave it, whether the actor may see it or not; deleted records do not count. */
  async needs(wanted: Readonly<Record<string, NeedPlan>>): Promise<Deciding["needs"]> {
    const found = Object.entries(wanted).map(async ([name, need]) => [name, await this.#need(need)] as const);
    return Object.fromEntries(await Promise.all(found));
  }

  async #need({ entity, ids, key, many }: NeedPlan): Promise<JsonObject | null | readonly (JsonObject | null)[]> {
    if (key !== null) {
      return key.value === null ? null : living(await this.#records.loadBy(entity, key.field, key.value));
    }
    const found = await Promise.all(ids.map(async (id) => (id === null ? null : living(await this.load(entity, id)))));
    return many ? found : (found[0] ?? null);
  }
}

const living = (loaded: LoadedRecord): JsonObject | null =>
  loaded.outcome === "visible" || loaded.outcome === "hidden" ? loaded.record : null;

/** Who acts, with the roles that the actors' own records give now. */
export async function actorOf(plan: Plan, known: KnownRecords, who: Who): Promise<Actor> {
  if (who === null) return visitor;
  if (who === "system") return system;
  if (plan.actors === null) throw new Refusal("unauthenticated");
  const loaded = await known.load(plan.actors.entity, who);
  const record = loaded.outcome === "visible" || loaded.outcome === "hidden" ? loaded.record : null;
  if (record === null || !plan.actors.active.includes(String(record.status))) throw new Refusal("unauthenticated");
  return { type: "user", id: who, roles: [String(record[plan.actors.role])] };
}
