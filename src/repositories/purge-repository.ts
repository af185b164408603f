import type { Engine, Row } from "../database/engine.ts";
import type { DestroyedSubject } from "../kernel/destroyed-subjects.ts";

/** A purge that is announced. */
export interface PurgeNotice {
  readonly entity: string;
  readonly id: string;
  readonly deleted_at: string;
  readonly purge_at: string;
}

/** A place where personal values can be, and what a purge found there. */
export interface LookedAt {
  readonly table: string;
  readonly columns: readonly string[];
  readonly indexes?: readonly string[];
  /** Rows that were changed or removed. */
  readonly rows: number;
  /** Rows of the subject that have something left: none, or the purge was not clean. */
  readonly left: number;
}

/** A record that was purged, and the proof of it. */
export interface Purged extends DestroyedSubject {
  readonly looked_at: readonly LookedAt[];
  readonly clean: boolean;
}

/** A purge whose key may live on elsewhere, and whose tables have dead rows. */
export interface OpenPurge extends DestroyedSubject {
  readonly stream: string;
  readonly tables: readonly string[];
}

/** Why, and of what state, an operator purges a record. */
export interface PurgeOrder {
  /** `deleted`: it must be deleted, though it need not have waited. `always`: it was purged once already. */
  readonly when: "deleted" | "always";
  readonly reason: string | null;
}

export type PurgeOutcome =
  | ({ readonly outcome: "purged" } & Purged)
  | { readonly outcome: "unknown" | "purged_already" | "alive" | "waiting" };

export interface PurgeRepository {
  /** Announces purges to come, each once over all processes. */
  announce(most: number): Promise<readonly PurgeNotice[]>;
  /** Purges what is due, each once over all processes. */
  purgeDue(most: number): Promise<readonly Purged[]>;
  /** Purges one record past row-level security and waiting time: for operators alone. */
  purge(entity: string, id: string, order: PurgeOrder): Promise<PurgeOutcome>;
  /** Purges that are to be settled yet, oldest first. */
  open(most: number): Promise<readonly OpenPurge[]>;
  settle(purges: readonly OpenPurge[]): Promise<void>;
  vacuum(tables: readonly string[]): Promise<void>;
  /** All that was ever purged here, oldest first. */
  purged(): Promise<readonly DestroyedSubject[]>;
  /** Those of the subjects that this database has not purged. */
  unpurged(subjects: readonly DestroyedSubject[]): Promise<readonly DestroyedSubject[]>;
}

export function purgeRepository(engine: Engine): PurgeRepository {
  const call = async (name: string, most: number): Promise<readonly Row[]> =>
    engine.run({ name, text: `select gesta.${name}($1)::text`, writes: true }, [most]);
  // The functions build exactly these shapes.
  const parsed = <T>(rows: readonly Row[]) => rows.map(([text]) => JSON.parse(String(text)) as T);
  return {
    announce: async (most) => parsed<PurgeNotice>(await call("notice_purges", most)),
    purgeDue: async (most) => parsed<Purged>(await call("purge_due", most)).map(told),
    async purge(entity, id, { when, reason }) {
      const order = JSON.stringify({ when, ...(reason === null ? {} : { reason }) });
      const rows = await engine.inspect(
        "select gesta.purge($1, $2, $3::jsonb || jsonb_build_object('operator', session_user))::text",
        [entity, id, order],
      );
      const [outcome] = parsed<PurgeOutcome>(rows);
      if (outcome === undefined) throw new Error("the database gave no answer");
      return outcome.outcome === "purged" ? { outcome: outcome.outcome, ...told(outcome) } : outcome;
    },
    async open(most) {
      const [purges = []] = parsed<readonly OpenPurge[]>(await call("open_purges", most));
      return purges;
    },
    async settle(purges) {
      const statement = { name: "settle_purges", text: "select gesta.settle_purges($1::uuid[])", writes: true };
      await engine.run(statement, [purges.map(({ stream }) => stream)]);
    },
    vacuum: (tables) => engine.vacuum(tables),
    async purged() {
      const rows = await engine.inspect(
        "select entity, record_id, gesta.instant(at) from gesta.purges order by at, stream_id",
      );
      return rows.map(([entity, id, at]) => ({ entity: String(entity), id: String(id), at: String(at) }));
    },
    async unpurged(subjects) {
      if (subjects.length === 0) return [];
      const rows = await engine.inspect(
        `select q.place from unnest($1::text[], $2::text[]) with ordinality q (entity, id, place)
          where not exists (select from gesta.purges p where p.stream_id = gesta.stream_of(q.entity, q.id))
          order by q.place`,
        [subjects.map(({ entity }) => entity), subjects.map(({ id }) => id)],
      );
      return rows.flatMap(([place]) => subjects[Number(place) - 1] ?? []);
    },
  };
}

const told = ({ entity, id, at, looked_at, clean }: Purged): Purged => ({ entity, id, at, looked_at, clean });
