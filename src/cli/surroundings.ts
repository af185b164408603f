import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import type { Surroundings } from "../gesta.ts";
import { type Configuration, readConfiguration } from "../kernel/configuration.ts";
import type { Observer } from "../kernel/observation.ts";

/** What the environment and `.env` say about this process. */
export function surroundingsHere(): Surroundings {
  if (existsSync(".env")) process.loadEnvFile(".env");
  const configuration = readConfiguration(process.env, (path) => readFileSync(path, "utf8"));
  return { configuration, secret: secretOf(configuration), observe: logger(configuration.logLevel) };
}

/** In development a secret is made once and kept beside the data, so that `gesta token` and the server agree. */
function secretOf({ jwtSecret, dataDirectory, environment }: Configuration): string {
  if (jwtSecret !== null) return jwtSecret;
  if (environment === "production") return randomBytes(32).toString("hex");
  const path = join(dataDirectory, "secret");
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, randomBytes(32).toString("hex"), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return readFileSync(path, "utf8").trim();
}

/** Observations as lines of JSON on standard error; standard output belongs to the commands. */
function logger(level: string): Observer {
  const log = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: false }),
  );
  return (observation) => {
    const { kind, ...rest } = observation;
    switch (kind) {
      case "request_failed":
      case "database_error":
        log.error({ ...rest, error: "error" in rest ? described(rest.error) : undefined }, kind);
        break;
      case "connection_lost":
      case "sweep_failed":
        log.warn({ error: "error" in rest ? described(rest.error) : undefined }, kind);
        break;
      case "unsafe_start":
      case "purge_notice":
      case "replica_left":
        log.warn(rest, kind);
        break;
      case "purged":
      case "sowing":
      case "replica_joined":
        log.info(rest, kind);
        break;
      default:
        log.debug(rest, kind);
    }
  };
}

const described = (error: unknown) =>
  error instanceof Error
    ? { message: error.message, stack: error.stack, cause: String(error.cause ?? "") }
    : String(error);
