import type { PlainSession } from "../../database/plain-session.ts";
import { type Lookup, permits } from "../../domain/permit.ts";
import { newIdentifier } from "../../kernel/identifier.ts";
import type { JsonObject } from "../../kernel/json.ts";
import type { Actor } from "../../plan/behaviour.ts";
import type { EntityPlan, Plan, Policy } from "../../plan/plan.ts";
import { selectIds } from "../../repositories/plain-statements.ts";
import type { RecordsRepository } from "../../repositories/records-repository.ts";
import type { Random } from "./random.ts";

export interface StoredRecord {
  readonly id: string;
  /** Whole, whoever may read it. */
  readonly record: JsonObject;
  readonly deleted: boolean;
}

/** What is stored now, known past every policy; the truth that neither side is asked for. */
export class World {
  readonly #plan: Plan;
  readonly #session: PlainSession;
  readonly #records: RecordsRepository;
  readonly #stored = new Map<string, readonly StoredRecord[]>();

  constructor(plan: Plan, session: PlainSession, records: RecordsRepository) {
    this.#plan = plan;
    this.#session = session;
    this.#records = records;
  }

  async look(): Promise<void> {
    for (const entity of this.#plan.entities) {
      const answer = await this.#session.ask("system", selectIds(entity, false));
      if (answer.kind === "refused") throw new Error(`${entity.name}: ${answer.message}`);
      const ids = answer.rows.map(([id]) => String(id));
      const found = await Promise.all(ids.map((id) => this.#load(entity, id)));
      this.#stored.set(entity.name, found);
    }
  }

  /** Looks at one record again: it is new, or was changed. */
  async lookAt(entity: EntityPlan, id: string): Promise<void> {
    const found = await this.#load(entity, id);
    const stored = this.stored(entity.name);
    const known = stored.some((each) => each.id === id);
    this.#stored.set(entity.name, known ? stored.map((each) => (each.id === id ? found : each)) : [...stored, found]);
  }

  async #load(entity: EntityPlan, id: string): Promise<StoredRecord> {
    const loaded = await this.#records.load(entity.name, "system", id);
    if (!("record" in loaded)) throw new Error(`${entity.name} ${id} is ${loaded.outcome}`);
    return { id, record: loaded.record, deleted: loaded.outcome.endsWith("gone") };
  }

  stored(entity: string): readonly StoredRecord[] {
    return this.#stored.get(entity) ?? [];
  }

  /** Whether a policy, as it was declared, holds for a record. */
  allows(policy: Policy, actor: Actor, entity: EntityPlan, record: JsonObject): boolean {
    const visible: Lookup = (name, id) => {
      const target = this.#plan.entities.find((each) => each.name === name);
      const found = this.stored(name).find((each) => each.id === id);
      if (target === undefined || found === undefined || found.deleted) return null;
      return permits(target.read, actor, target, found.record, visible) === "yes" ? found.record : null;
    };
    return permits(policy, actor, entity, record, visible) === "yes";
  }

  /** An id that no record has. */
  readonly missingId = (entity: EntityPlan, random: Random): string =>
    entity.id === "serial" ? String(1_000_000 + random.below(1_000_000)) : newIdentifier();
}
