import type { Engine } from "../database/engine.ts";

/** Asks the database for a sign of life, as the application's role. @throws when there is none. */
export const askForLife = async (engine: Engine): Promise<void> => {
  await engine.run({ name: "alive", text: "select 1", writes: false }, []);
};
