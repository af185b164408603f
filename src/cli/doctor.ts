import type { Surroundings } from "../gesta.ts";
import { diagnoseDatabase, type RunnableApplication } from "../operations.ts";

/**
 * Prints what is wrong with the database's indexes and tables, and what would mend it.
 * @returns the exit code: 1 when there are findings.
 */
export async function doctor(
  application: RunnableApplication,
  around: Surroundings,
  json: boolean,
  say: (line: string) => void,
): Promise<number> {
  const { findings, unknown } = await diagnoseDatabase(application, around);
  if (json) say(JSON.stringify({ findings, unknown }));
  else {
    for (const { kind, object, reason, remedy } of findings) say(`${object}: ${kind}: ${reason}\n  ${remedy}`);
    for (const what of unknown) say(`not known: ${what}`);
    say(`${findings.length} findings`);
  }
  return findings.length === 0 ? 0 : 1;
}
