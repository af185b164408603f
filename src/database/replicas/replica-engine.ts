import { Refusal } from "../../kernel/refusal.ts";
import { DatabaseError, type Engine, endingLimit } from "../engine.ts";
import { type Replica, ReplicaGone } from "./replica.ts";

/**
 * What a standby says when it cannot answer although the question is right: replay took the rows away, it cannot write,
 * or it has not replayed the functions, tables and rights that the question needs.
 */
const passing = /^(40001|40P01|25006|3F000|42501|42883|42P01)$/;
const isPassing = (error: unknown): boolean => {
  if (error instanceof DatabaseError) return passing.test(error.sqlState);
  // What took longer than a statement may would do so on the primary, too.
  return error instanceof Refusal && endingLimit(error) !== "statement";
};

/**
 * An engine for reads: a replica's, with the primary behind it. A read that the replica fails is asked of the primary,
 * once, for a read may be repeated; the replica leaves the rotation. What is no read goes to the primary.
 */
export function replicaEngine(replica: Replica, primary: Engine): Engine {
  return {
    kind: primary.kind,
    place: replica.place,
    async run(statement, parameters) {
      if (statement.writes) return primary.run(statement, parameters);
      try {
        return await replica.answer(() => replica.reading.run(statement, parameters));
      } catch (error) {
        if (!(error instanceof ReplicaGone)) {
          if (!isPassing(error)) throw error;
          replica.failed(error);
        }
        return primary.run(statement, parameters);
      }
    },
    migrate: primary.migrate,
    inspect: primary.inspect,
    vacuum: primary.vacuum,
    losses: () => (replica.reading.losses?.() ?? 0) + (primary.losses?.() ?? 0),
    close: async () => {},
  };
}
