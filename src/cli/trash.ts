import type { Surroundings } from "../gesta.ts";
import { type RunnableApplication, withTrash } from "../operations.ts";

/** `gesta trash`: deleted records, when, by whom, until when they can be restored. @returns the text for standard output. */
export async function trash(
  application: RunnableApplication,
  around: Surroundings,
  entity: string | undefined,
  json: boolean,
): Promise<string> {
  const records = await withTrash(application, around, (on) => on.list(entity ?? null));
  if (json) return JSON.stringify(records);
  const lines = records.map(({ entity: name, id, deleted_at, by, along, purge_at, noticed_at }) =>
    [
      name,
      id,
      deleted_at,
      `by ${by}`,
      ...(along ? ["with another"] : []),
      ...(purge_at ? [`purge ${purge_at}`] : []),
      ...(noticed_at ? [`announced ${noticed_at}`] : []),
    ].join("  "),
  );
  return [...lines, `${records.length} deleted records`].join("\n");
}

/** `gesta restore ENTITY ID`. @returns the text for standard output. @throws Error, or a refusal with what to do. */
export async function restore(
  application: RunnableApplication,
  around: Surroundings,
  [entity, id]: readonly string[],
  json: boolean,
): Promise<string> {
  if (entity === undefined || id === undefined)
    throw new Error("Which record? For example: gesta restore orders 0190…");
  const record = await withTrash(application, around, (on) => on.restore(entity, id));
  return json ? record : `${entity} ${id} is restored`;
}
