import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Application } from "../../src/declare/application.ts";
import { type RunningApplication, type Surroundings, startApplication } from "../../src/gesta.ts";
import { readConfiguration } from "../../src/kernel/configuration.ts";
import type { Observation } from "../../src/kernel/observation.ts";
import type { PostgresServer } from "../../src/testing/postgres-server.ts";

export const secret = "the secret of the tests, long enough";

/** An application on a primary with replicas, and what it reported. */
export interface ReplicatedApplication {
  readonly running: RunningApplication;
  readonly around: Surroundings;
  readonly seen: readonly Observation[];
  stop(): Promise<void>;
}

export async function runReplicated(
  declared: Application,
  primaryUrl: string,
  replicaUrls: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ReplicatedApplication> {
  const directory = mkdtempSync(join(tmpdir(), "gesta-replicas-"));
  const seen: Observation[] = [];
  const configuration = readConfiguration(
    {
      ...{ PORT: "0", HOST: "127.0.0.1", GESTA_DATA: directory, GESTA_JWT_SECRET: secret, DATABASE_URL: primaryUrl },
      ...(replicaUrls.length === 0 ? {} : { DATABASE_REPLICA_URLS: replicaUrls.join(",") }),
      ...environment,
    },
    () => "",
  );
  const around: Surroundings = { configuration, secret, observe: (observation) => void seen.push(observation) };
  const running = await startApplication(declared, around).catch((error: unknown) => {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  });
  return {
    running,
    around,
    seen,
    async stop() {
      await running.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const patience = 40_000;

/** Waits for something to become so. @throws Error that says what did not */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + patience;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`it did not come about: ${what}`);
    await pause(20);
  }
}

/** Sends a signal to a server and all of its processes, as a machine does that is frozen. */
export function signalAll(server: PostgresServer, signal: NodeJS.Signals): void {
  const processes = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const children = processes.flatMap(([pid, parent]) => (parent === server.pid && pid !== undefined ? [pid] : []));
  for (const pid of [server.pid, ...children]) process.kill(pid, signal);
}
