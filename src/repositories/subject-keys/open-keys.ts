import type { Engine } from "../../database/engine.ts";
import { fileKeys } from "./file-keys.ts";
import { schemaKeys } from "./schema-keys.ts";
import type { SubjectKeys } from "./subject-keys.ts";

/** The keys of personal data where the configuration puts them: in a directory, or in the database's own schema. */
export const subjectKeys = (engine: Engine, directory: string | null): SubjectKeys =>
  directory === null ? schemaKeys(engine) : fileKeys(directory);
