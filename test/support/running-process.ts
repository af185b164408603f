import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { repositoryRoot } from "./source-tree.ts";

/** A `gesta start` whose every word is kept, as a log is. */
export interface RunningProcess {
  readonly url: string;
  /** All that it said until now, on both outputs. */
  said(): string;
  stop(): Promise<void>;
}

const application = ["--application", "examples/delivery/dist/application.js"];

/** Starts delivery as users run it. @throws Error with what it said where it ends instead. */
export async function startProcess(env: NodeJS.ProcessEnv): Promise<RunningProcess> {
  const child = spawn(process.execPath, ["bin/gesta.js", "start", ...application], {
    cwd: repositoryRoot,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    const hear = (part: Buffer) => {
      said += part;
      const found = /API +(http:\S+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("exit", () => reject(new Error(`the program ended: ${said}`)));
  });
  return { url, said: () => said, stop: () => stopped(child) };
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** Runs one command of `gesta` on delivery to its end. */
export async function runCommand(
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number | null; readonly said: string; readonly complained: string }> {
  const child = spawn(process.execPath, ["bin/gesta.js", ...words, ...application], {
    cwd: repositoryRoot,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [said, complained] = ["", ""];
  child.stdout.on("data", (part) => {
    said += part;
  });
  child.stderr.on("data", (part) => {
    complained += part;
  });
  await once(child, "close");
  return { code: child.exitCode, said, complained };
}
