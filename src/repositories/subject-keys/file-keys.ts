import { mkdirSync, readFileSync } from "node:fs";
import { open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type DestroyedSubject, parseDestroyed } from "../../kernel/destroyed-subjects.ts";
import { isUuid } from "../../kernel/identifier.ts";
import { Refusal } from "../../kernel/refusal.ts";
import type { SubjectKeys } from "./subject-keys.ts";

/**
 * Keys in a directory, one file for each subject, for whoever keeps them on another disk or takes other backups of them.
 * `destroyed.ndjson` beside them outlives every backup of the database.
 */
export function fileKeys(directory: string): SubjectKeys {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const pathOf = (subject: string): string => {
    if (!isUuid(subject)) throw new RangeError(`no subject: ${JSON.stringify(subject)}`);
    return join(directory, `${subject}.key`);
  };
  const listPath = join(directory, "destroyed.ndjson");
  const list = (): readonly DestroyedSubject[] => parseDestroyed(readIfThere(listPath));
  const remove = (subject: string) => unlink(pathOf(subject)).catch(unlessMissing(undefined));
  return {
    keysOf: (subjects) =>
      Promise.all(
        subjects.map(async (subject) => {
          const text = await readFile(pathOf(subject), "utf8").catch(unlessMissing(null));
          return text === null ? null : Buffer.from(text, "base64");
        }),
      ),
    async keep(subject, key) {
      await written(pathOf(subject), "wx", key.toString("base64")).catch((error: unknown) => {
        // Another command was faster; decided again, this one finds that key.
        if (isThere(error)) throw new Refusal("overloaded", { retryAfter: 1 }, error);
        throw error;
      });
      await synced(directory);
      return true;
    },
    discard: remove,
    async destroy(subject) {
      // First the list: whoever restores a backup of the files must find the subject there.
      if (!list().some(({ id }) => id === subject.id)) await written(listPath, "a", `${JSON.stringify(subject)}\n`);
      await remove(subject.id);
      await synced(directory);
    },
    destroyed: async () => list(),
  };
}

async function written(path: string, flags: string, text: string): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A file's name is durable when its directory is. */
async function synced(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return unlessMissing("")(error);
  }
}

const isThere = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "EEXIST";

const unlessMissing =
  <T>(instead: T) =>
  (error: unknown): T => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return instead;
    throw error;
  };
