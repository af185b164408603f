import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { applicationDocuments, type RunnableApplication } from "../operations.ts";

const directory = "openapi";

/**
 * Writes each audience's document to `openapi/`, to be committed and reviewed like code; with `check`, compares.
 * A file of an audience that is no more is named, never removed.
 * @returns the exit code: 1 when `check` finds a difference.
 */
export function openapi(application: RunnableApplication, check: boolean, say: (line: string) => void): number {
  const documents = applicationDocuments(application);
  const pathOf = (name: string) => join(directory, name);
  const stored = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".json")) : [];
  const strangers = stored.filter((name) => !documents.has(name)).map(pathOf);
  const differing = [...documents.keys()].filter(
    (name) => !stored.includes(name) || readFileSync(pathOf(name), "utf8") !== documents.get(name),
  );
  for (const path of strangers) say(`${path}: no audience of that name; remove the file`);
  if (check) {
    for (const name of differing) {
      say(
        `${pathOf(name)}: ${stored.includes(name) ? "differs" : "is missing"}; run gesta openapi and review the diff`,
      );
    }
    return differing.length + strangers.length === 0 ? 0 : 1;
  }
  mkdirSync(directory, { recursive: true });
  for (const name of differing) writeFileSync(pathOf(name), documents.get(name) ?? "");
  say(`${documents.size} documents in ${directory}, ${differing.length} of them new or changed`);
  return 0;
}
