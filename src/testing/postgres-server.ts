import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { postgresEngine } from "../database/engines/postgres.ts";
import { silent } from "../kernel/observation.ts";
import { type Account, findBinaries, serverAccount } from "./postgres-binaries.ts";

/** Settings of postgresql.conf that differ from the server's defaults: `{ fsync: "off" }`. */
export type PostgresSettings = Readonly<Record<string, string | number>>;

export interface PostgresServer {
  readonly port: number;
  /** Of the postmaster; another one after `restart()`. */
  readonly pid: number;
  readonly binDirectory: string;
  readonly dataDirectory: string;
  /** `postgres://user@127.0.0.1:port/database`; both are `postgres` by default, a superuser without a password. */
  url(database?: string, user?: string): string;
  /** Sends a signal to the postmaster and, where the signal ends it, waits until it has ended. SIGQUIT is a crash. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends the server unless it has ended, and starts it on the same port and directory. */
  restart(): Promise<void>;
  /** Fast shutdown; removes the directory. Again is the same as once. */
  stop(): Promise<void>;
}

const host = "127.0.0.1";
const readyWithin = 60_000;
const notEnding: readonly NodeJS.Signals[] = ["SIGSTOP", "SIGCONT", "SIGHUP"];

/**
 * A PostgreSQL server of its own in a temporary directory, on a free port of the loopback address, with fsync on unless
 * `settings` say otherwise. Its binaries are those of `findBinaries`.
 * @throws Error with the end of the server's log when it does not start
 */
export const startPostgres = (settings: PostgresSettings = {}): Promise<PostgresServer> =>
  startServer(settings, (binDirectory, dataDirectory, directory, account) => {
    const cluster = ["-D", dataDirectory, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    execFileSync(join(binDirectory, "initdb"), cluster, {
      ...account,
      cwd: directory,
      stdio: ["ignore", "ignore", "pipe"],
    });
  });

/**
 * A streaming replica of a server that `startPostgres` started: a copy of its data, made while it stands still for a
 * moment, so that it needs none of the tools that some installations lack.
 * @param settings such as `{ recovery_min_apply_delay: "5s" }`
 * @throws Error with the end of the server's log when it does not start
 */
export async function startStandby(primary: PostgresServer, settings: PostgresSettings = {}): Promise<PostgresServer> {
  const source = `host=${host} port=${primary.port} user=postgres`;
  await primary.kill("SIGINT");
  return startServer({ primary_conninfo: source, ...settings }, async (_, dataDirectory) => {
    // As it is, with its owner and its modes, which the copying of Node leaves behind.
    execFileSync("cp", ["-a", primary.dataDirectory, dataDirectory]);
    writeFileSync(join(dataDirectory, "standby.signal"), "");
    await primary.restart();
  });
}

type MakeData = (
  binDirectory: string,
  dataDirectory: string,
  directory: string,
  account: Account | undefined,
) => void | Promise<void>;

async function startServer(settings: PostgresSettings, makeData: MakeData): Promise<PostgresServer> {
  const account = serverAccount();
  const directory = mkdtempSync(join(tmpdir(), "gesta-postgres-"));
  const dataDirectory = join(directory, "data");
  let starts = 0;
  let running: ChildProcess | undefined;

  // Whatever ends this process must not leave a server behind. Handlers of `exit` cannot wait: hence SIGQUIT.
  const abandon = (): void => {
    if (isRunning(running)) running.kill("SIGQUIT");
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", abandon);

  const launch = async (binDirectory: string, port: number): Promise<void> => {
    const chosen = {
      listen_addresses: host,
      port,
      unix_socket_directories: directory,
      max_connections: 200,
      ...settings,
    };
    const parameters = Object.entries(chosen).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    // A log of its own for each start: what is left of a killed server still writes into that one's.
    starts += 1;
    const logFile = join(directory, `server-${starts}.log`);
    const log = openSync(logFile, "a");
    running = spawn(join(binDirectory, "postgres"), ["-D", dataDirectory, ...parameters], {
      ...account,
      cwd: directory,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const failed = new Promise<Error>((resolve) => running?.once("error", resolve));
    if (running.pid === undefined) throw await failed;
    await ready(running, port, logFile);
  };

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!isRunning(running)) return;
    const ended = exitOf(running);
    running.kill(signal);
    if (notEnding.includes(signal)) return;
    await ended;
  };

  try {
    if (account) chownSync(directory, account.uid, account.gid);
    const binDirectory = findBinaries(directory, account);
    await makeData(binDirectory, dataDirectory, directory, account);
    let port = await freePort();
    // Another process may take the port between the question and the start; then there is another one.
    for (let attempt = 1; ; attempt += 1) {
      try {
        await launch(binDirectory, port);
        break;
      } catch (error) {
        if (attempt === 3 || !/in use/i.test(String(error))) throw error;
        port = await freePort();
      }
    }

    return {
      port,
      binDirectory,
      dataDirectory,
      get pid() {
        return running?.pid ?? 0;
      },
      url: (database = "postgres", user = "postgres") =>
        `postgres://${encodeURIComponent(user)}@${host}:${port}/${encodeURIComponent(database)}`,
      kill: end,
      async restart() {
        await end("SIGINT");
        await relaunch(() => launch(binDirectory, port));
      },
      async stop() {
        if (isRunning(running)) running.kill("SIGCONT");
        await end("SIGINT");
        rmSync(directory, { recursive: true, force: true });
        process.removeListener("exit", abandon);
      },
    };
  } catch (error) {
    await end("SIGQUIT");
    abandon();
    process.removeListener("exit", abandon);
    throw error;
  }
}

/** After a SIGKILL of the postmaster its children live on for a moment, and no second server may share their memory. */
async function relaunch(launch: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + readyWithin;
  for (;;) {
    try {
      await launch();
      return;
    } catch (error) {
      if (Date.now() > deadline || !/shared memory block .* in use|lock file .* already exists/.test(String(error)))
        throw error;
      await pause(100);
    }
  }
}

async function ready(server: ChildProcess, port: number, logFile: string): Promise<void> {
  const deadline = Date.now() + readyWithin;
  for (;;) {
    if (!isRunning(server)) throw new Error(`PostgreSQL ended while it started:\n${endOf(logFile)}`);
    const engine = postgresEngine({
      url: `postgres://postgres@${host}:${port}/postgres`,
      poolSize: 1,
      observe: silent,
    });
    try {
      await engine.inspect("select 1");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`PostgreSQL did not answer: ${error}\n${endOf(logFile)}`);
      await pause(50);
    } finally {
      await engine.close();
    }
  }
}

function isRunning(server: ChildProcess | undefined): server is ChildProcess {
  return server !== undefined && server.exitCode === null && server.signalCode === null;
}

function exitOf(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => server.once("exit", () => resolve()));
}

function endOf(logFile: string): string {
  return readFileSync(logFile, "utf8").slice(-2_000);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
