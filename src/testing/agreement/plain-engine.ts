import { DatabaseError, type Engine } from "../../database/engine.ts";
import type { PlainSession } from "../../database/plain-session.ts";

const never = (): Promise<never> => Promise.reject(new Error("an ordinary client does not own the database"));

/**
 * An engine whose statements are all rolled back: what the repositories would do, done for show. Nobody is entered
 * before a statement; the generated functions enter whom their command names.
 */
export const plainEngine = (session: PlainSession): Engine => ({
  kind: "postgres",
  place: "a plain session",
  async run({ text }, parameters) {
    const answer = await session.ask(null, text, parameters);
    if (answer.kind === "rows") return answer.rows;
    throw new DatabaseError(answer.sqlState, answer.message, null);
  },
  migrate: never,
  inspect: never,
  vacuum: never,
  close: () => session.close(),
});
