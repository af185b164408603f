import { type Gone, goneSince } from "../domain/deletion.ts";
import { isSerial, isUuid } from "../kernel/identifier.ts";
import { nearest } from "../kernel/suggestion.ts";
import { deletionOf } from "../plan/delete-rules.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import type { TrashRepository } from "../repositories/trash-repository.ts";
import type { CommandsService } from "./commands-service.ts";

/** A deleted record, as an operator sees it. */
export interface Trashed extends Gone {
  readonly entity: string;
  readonly id: string;
  readonly by: string;
  /** Whether it went with another record: restoring that one brings it back. */
  readonly along: boolean;
  /** When its coming purge was announced; absent before that. */
  readonly noticed_at?: string;
}

/** What an operator can do about deleted records. */
export interface TrashService {
  /** The last thousand of each entity, or of one. @throws Error for an entity that nothing deletes. */
  list(entity: string | null): Promise<readonly Trashed[]>;
  /** Restores a record and what went with it, as Gesta itself. @returns the record as JSON. @throws Refusal */
  restore(entity: string, id: string): Promise<string>;
}

const most = 1000;

export function trashService(plan: Plan, repository: TrashRepository, commands: CommandsService): TrashService {
  const deletable = plan.entities.filter((entity) => deletionOf(entity) !== undefined);
  const named = (name: string): EntityPlan => {
    const entity = deletable.find((candidate) => candidate.name === name);
    if (entity !== undefined) return entity;
    const names = deletable.map((candidate) => candidate.name);
    const near = nearest(name, names);
    throw new Error(
      `No entity '${name}' whose records are deleted; ${near === undefined ? `use one of: ${names.join(", ")}` : `did you mean '${near}'?`}`,
    );
  };
  return {
    async list(name) {
      const trashed: Trashed[] = [];
      for (const entity of name === null ? deletable : [named(name)]) {
        for (const { id, deletedAt, by, along, noticedAt } of await repository.discarded(entity, most)) {
          const noticed = noticedAt === null ? {} : { noticed_at: noticedAt };
          trashed.push({ entity: entity.name, id, ...goneSince(entity, deletedAt), by, along, ...noticed });
        }
      }
      return trashed;
    },
    async restore(name, id) {
      const entity = named(name);
      if (!(entity.id === "serial" ? isSerial(id) : isUuid(id))) throw new Error(`'${id}' cannot be an id of ${name}`);
      const { body } = await commands.execute({
        entity: entity.name,
        action: "restore",
        who: "system",
        id: id.toLowerCase(),
        input: {},
        partial: true,
        expected: null,
        requestId: null,
        idempotency: null,
      });
      return body;
    },
  };
}
