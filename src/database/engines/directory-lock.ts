import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Another living process holds the embedded database. */
export class DirectoryLocked extends Error {
  readonly pid: number;

  constructor(directory: string, pid: number) {
    super(
      `The embedded database in ${directory} is in use by process ${pid}. ` +
        "Stop that process, or set GESTA_DATA to another directory, or use DATABASE_URL.",
    );
    this.name = "DirectoryLocked";
    this.pid = pid;
  }
}

interface Holder {
  readonly pid: number;
  readonly boot: string;
  readonly started: string;
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
};

/** The start time of a process, in ticks since boot (proc(5), field 22); empty where there is no /proc. */
const startOf = (pid: number): string =>
  read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, "")
    .split(" ")[19] ?? "";

const bootId = (): string => read("/proc/sys/kernel/random/boot_id");

const self = (): Holder => ({ pid: process.pid, boot: bootId(), started: startOf(process.pid) });

/**
 * A process id alone may have been given to somebody else since: the boot and the start time tell. Where the machine
 * does not say, a living pid counts as the holder: a lock is never taken from a process that may be alive.
 */
function lives(holder: Holder): boolean {
  if (holder.boot !== "" && holder.boot !== bootId()) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  return holder.started === "" || startOf(holder.pid) === holder.started;
}

function holderOf(path: string): Holder | null {
  try {
    const { pid, boot, started } = JSON.parse(readFileSync(path, "utf8"));
    return Number.isInteger(pid) ? { pid, boot: String(boot), started: String(started) } : null;
  } catch {
    return null; // gone meanwhile, or half written by a process that died over it
  }
}

/**
 * Takes the directory for this process: two PGlites on one directory both acknowledge writes and lose them.
 * @returns what gives it back.
 * @throws DirectoryLocked with the pid of the living process that holds it.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, "lock");
  for (let attempt = 0; ; attempt++) {
    try {
      const file = openSync(path, "wx", 0o600);
      writeSync(file, JSON.stringify(self()));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const holder = holderOf(path);
    if (holder !== null && lives(holder)) throw new DirectoryLocked(directory, holder.pid);
    if (attempt > 20)
      throw new Error(`The lock ${path} can be neither read nor taken; remove it if no process uses ${directory}.`);
    rmSync(path, { force: true });
  }
}
