import { lintApplication, type RunnableApplication } from "../operations.ts";

/**
 * Prints what the application's documents tell strangers, and what the declaration accepts of it.
 * @returns the exit code: 1 when there are findings that nobody accepted.
 */
export function lint(application: RunnableApplication, json: boolean, say: (line: string) => void): number {
  const { findings, accepted } = lintApplication(application);
  if (json) say(JSON.stringify({ findings, accepted }));
  else {
    for (const { rule, path, reason, remedy } of findings) say(`${path}: ${rule}: ${reason}; ${remedy}`);
    for (const { rule, path, because } of accepted) say(`${path}: ${rule}: accepted, ${because}`);
    say(`${findings.length} findings, ${accepted.length} accepted`);
  }
  return findings.length === 0 ? 0 : 1;
}
