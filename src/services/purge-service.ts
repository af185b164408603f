import type { DestroyedSubject } from "../kernel/destroyed-subjects.ts";
import { isSerial, isUuid } from "../kernel/identifier.ts";
import type { Observer } from "../kernel/observation.ts";
import { nearest } from "../kernel/suggestion.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import { isPurgeable, waitOf } from "../plan/purging.ts";
import type { Purged, PurgeRepository } from "../repositories/purge-repository.ts";
import type { SubjectKeys } from "../repositories/subject-keys/subject-keys.ts";

export type { Purged } from "../repositories/purge-repository.ts";

/** What must go goes: by itself when its time is over, on demand, and again after a backup was restored. */
export interface PurgeService {
  /** Announces what is to be purged, and purges what is due. */
  purgeDue(): Promise<readonly Purged[]>;
  /** Purges a deleted record before its time. @throws PurgeRefused */
  purge(entity: string, id: string, reason: string): Promise<Purged>;
  /** Purges once more what this database does not know to be purged. */
  reapply(subjects: readonly DestroyedSubject[]): Promise<readonly Purged[]>;
  /** All that was purged, for whoever keeps the list apart from the database. */
  list(): Promise<readonly DestroyedSubject[]>;
}

/** What was asked for cannot be purged. */
export class PurgeRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PurgeRefused";
  }
}

/** In one transaction: few enough that nobody waits for its locks. */
const atOnce = 20;
const noticesAtOnce = 500;

interface Parts {
  readonly plan: Plan;
  readonly purges: PurgeRepository;
  readonly keys: SubjectKeys;
  readonly observe: Observer;
}

export function purgeService({ plan, purges, keys, observe }: Parts): PurgeService {
  const waits = plan.entities.some((entity) => waitOf(entity) !== null);

  /** Destroys keys that lie outside of the database, and sweeps dead rows out of its tables. */
  async function settle(): Promise<void> {
    for (;;) {
      const open = await purges.open(atOnce * 10);
      if (open.length === 0) return;
      for (const { entity, id, at } of open) await keys.destroy({ entity, id, at });
      await purges.vacuum([...new Set(open.flatMap(({ tables }) => tables))].sort());
      await purges.settle(open);
    }
  }

  const tell = (purged: Purged) => {
    observe({ kind: "purged", entity: purged.entity, id: purged.id, at: purged.at, clean: purged.clean });
    return purged;
  };

  return {
    async purgeDue() {
      const all: Purged[] = [];
      if (waits) {
        let told = noticesAtOnce;
        while (told === noticesAtOnce) {
          const notices = await purges.announce(noticesAtOnce);
          for (const notice of notices) observe({ kind: "purge_notice", ...notice });
          told = notices.length;
        }
        for (let done = atOnce; done === atOnce; ) {
          const some = await purges.purgeDue(atOnce);
          all.push(...some.map(tell));
          done = some.length;
        }
      }
      await settle();
      return all;
    },
    async purge(name, id, reason) {
      const entity = purgeableNamed(plan, name);
      if (!(entity.id === "serial" ? isSerial(id) : isUuid(id))) throw new PurgeRefused(`'${id}' is no id of ${name}`);
      const written = await purges.purge(name, id.toLowerCase(), { when: "deleted", reason });
      if (written.outcome !== "purged") throw new PurgeRefused(`${name} ${id} ${refusals[written.outcome]}`);
      await settle();
      const { outcome: _, ...purged } = written;
      return tell(purged);
    },
    async reapply(subjects) {
      const all: Purged[] = [];
      for (const { entity, id, at } of await purges.unpurged(subjects)) {
        const reason = `purged on ${at}, before this backup was restored`;
        const written = await purges.purge(entity, id, { when: "always", reason });
        if (written.outcome !== "purged") continue; // made after the backup, so it is not there
        const { outcome: _, ...purged } = written;
        all.push(tell(purged));
      }
      for (const purged of all) await keys.destroy(purged);
      // Dead rows that cannot be swept out now are no reason not to serve: upkeep goes on with them.
      await settle().catch((error: unknown) => observe({ kind: "sweep_failed", error }));
      return all;
    },
    list: () => purges.purged(),
  };
}

const refusals = {
  unknown: "was never there",
  purged_already: "is purged already",
  alive: "is not deleted: delete it first, so that what refers to it is looked at",
  waiting: "has to wait still",
} as const;

function purgeableNamed(plan: Plan, name: string): EntityPlan {
  const entities = plan.entities.filter(isPurgeable);
  const entity = entities.find((candidate) => candidate.name === name);
  if (entity !== undefined) return entity;
  const names = entities.map((candidate) => candidate.name);
  const near = nearest(name, names);
  throw new PurgeRefused(
    `No entity '${name}' whose records are purged; ${near === undefined ? `use one of: ${names.join(", ")}` : `did you mean '${near}'?`}`,
  );
}
