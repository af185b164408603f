import { type ChildProcess, spawn } from "node:child_process";
import { repositoryRoot } from "./source-tree.ts";

export interface RunningProgram {
  readonly child: ChildProcess;
  readonly url: string;
}

/** The words of `gesta start` for an example, as users run the built program. `npm test` builds first. */
export const startWords = (example: string): string[] => [
  "bin/gesta.js",
  "start",
  "--application",
  `examples/${example}/dist/application.js`,
];

/** Runs `gesta start` for an example and waits for its banner; whoever calls ends the process. */
export async function startProgram(example: string, env: NodeJS.ProcessEnv): Promise<RunningProgram> {
  const child = spawn(process.execPath, startWords(example), {
    cwd: repositoryRoot,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  for await (const part of child.stdout) {
    said += part;
    const url = /API +(http:\S+)/.exec(said)?.[1];
    if (url !== undefined) return { child, url };
  }
  throw new Error(`the program ended: ${said}`);
}
