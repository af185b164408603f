import { readDuration } from "./duration.ts";
import { weaknesses } from "./weaknesses.ts";

/** How one process runs, from the environment alone. */
export interface Configuration {
  readonly environment: "development" | "production";
  readonly host: string;
  readonly port: number;
  /** PostgreSQL; without it the embedded database in `dataDirectory`. */
  readonly databaseUrl: string | null;
  readonly ownerUrl: string | null;
  /** PEM text of the authority of the database's certificate. */
  readonly databaseCertificate: string | null;
  /** Standbys of the database, which answer reads. */
  readonly replicaUrls: readonly string[];
  /** Milliseconds that a replica may be behind and still be read from. */
  readonly replicaMaxLag: number;
  readonly poolSize: number;
  /** Whether questions that wait at the same moment share a statement. */
  readonly batching: boolean;
  readonly dataDirectory: string;
  /** Directory of the keys of personal data; without it they are in a schema of the database. */
  readonly keysDirectory: string | null;
  /** Text of a list of subjects that were purged before the database's backup was restored. */
  readonly destroyedSubjects: string | null;
  readonly seed: "none" | "small" | "large";
  /** How many main records a large seed makes: of delivery, orders. */
  readonly seedOrders: number;
  readonly jwtSecret: string | null;
  readonly jwksUrl: string | null;
  readonly jwtIssuer: string | null;
  readonly jwtAudience: string | null;
  /** How long a session lasts. */
  readonly sessionHours: number;
  /** Proxies in front, whose `X-Forwarded-For` is believed, counted from the nearest. */
  readonly trustedProxies: number;
  readonly logLevel: string;
}

/** Everything that is wrong in the environment, at once. */
export class ConfigurationError extends Error {
  constructor(faults: readonly string[]) {
    super(`The environment has ${faults.length} fault(s):\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
    this.name = "ConfigurationError";
  }
}

const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

/**
 * Reads the environment.
 * @param readFile reads the files that `GESTA_DB_CA` and `GESTA_DESTROYED` name.
 * @throws ConfigurationError
 */
export function readConfiguration(
  environment: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): Configuration {
  const faults: string[] = [];
  const text = (name: string): string | null => environment[name]?.trim() || null;
  const word = <W extends string>(name: string, words: readonly W[], fallback: W): W => {
    const value = text(name) ?? fallback;
    const found = words.find((candidate) => candidate === value);
    if (found === undefined) faults.push(`${name}=${value}: use one of ${words.join(", ")}`);
    return found ?? fallback;
  };
  const number = (name: string, least: number, most: number, fallback: number): number => {
    const value = text(name) ?? String(fallback);
    const parsed = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (parsed >= least && parsed <= most) return parsed;
    faults.push(`${name}=${value}: use a whole number from ${least} to ${most}`);
    return fallback;
  };
  const address = (name: string, protocols: readonly string[]): string | null => {
    const value = text(name);
    if (value === null || (URL.canParse(value) && protocols.includes(new URL(value).protocol))) return value;
    faults.push(`${name}: use an address that starts with ${protocols.map((each) => `${each}//`).join(" or ")}`);
    return null;
  };
  const addresses = (name: string, protocols: readonly string[]): readonly string[] => {
    const values =
      text(name)
        ?.split(",")
        .map((value) => value.trim()) ?? [];
    for (const [index, value] of values.entries()) {
      if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) {
        faults.push(
          `${name}: address ${index + 1} must start with ${protocols.map((each) => `${each}//`).join(" or ")}`,
        );
      } else if (values.indexOf(value) < index) {
        faults.push(`${name}: address ${index + 1} is the same as address ${values.indexOf(value) + 1}`);
      }
    }
    return values;
  };
  const duration = (name: string, least: string, most: string, fallback: string): number => {
    const value = text(name) ?? fallback;
    const [parsed, lowest, highest] = [value, least, most].map((each) => readDuration(each) ?? Number.NaN);
    if (parsed !== undefined && lowest !== undefined && highest !== undefined) {
      if (parsed >= lowest && parsed <= highest) return parsed;
    }
    faults.push(`${name}=${value}: use a duration from ${least} to ${most}, such as ${fallback}`);
    return readDuration(fallback) ?? 0;
  };

  const configuration: Configuration = {
    environment: word("GESTA_ENV", ["development", "production"], "development"),
    host: text("HOST") ?? "localhost",
    port: number("PORT", 0, 65_535, 5000),
    databaseUrl: address("DATABASE_URL", ["postgres:", "postgresql:"]),
    ownerUrl: address("GESTA_OWNER_URL", ["postgres:", "postgresql:"]),
    databaseCertificate: fileText("GESTA_DB_CA", text("GESTA_DB_CA"), readFile, faults),
    replicaUrls: addresses("DATABASE_REPLICA_URLS", ["postgres:", "postgresql:"]),
    replicaMaxLag: duration("GESTA_REPLICA_MAX_LAG", "1s", "1h", "10s"),
    poolSize: number("GESTA_POOL_SIZE", 1, 1000, 10),
    batching: word("GESTA_BATCHING", ["on", "off"], "on") === "on",
    dataDirectory: text("GESTA_DATA") ?? ".gesta/data",
    keysDirectory: text("GESTA_KEYS"),
    destroyedSubjects: fileText("GESTA_DESTROYED", text("GESTA_DESTROYED"), readFile, faults),
    seed: word("GESTA_SEED", ["none", "small", "large"], "small"),
    seedOrders: number("GESTA_SEED_ORDERS", 1, 100_000_000, 1_000_000),
    jwtSecret: text("GESTA_JWT_SECRET"),
    jwksUrl: address("GESTA_JWKS_URL", ["https:", "http:"]),
    jwtIssuer: text("GESTA_JWT_ISSUER"),
    jwtAudience: text("GESTA_JWT_AUDIENCE"),
    sessionHours: number("GESTA_SESSION_HOURS", 1, 8760, 168),
    trustedProxies: number("GESTA_TRUSTED_PROXIES", 0, 10, 0),
    logLevel: word("LOG_LEVEL", logLevels, "info"),
  };
  faults.push(...missing(configuration));
  if (faults.length === 0) return configuration;
  // A production start would be refused for these next; who mends the environment mends it once.
  const weak = configuration.environment === "production" ? weaknesses(configuration) : [];
  throw new ConfigurationError([...faults, ...weak.map(({ what, remedy }) => `${what}: ${remedy}`)]);
}

function fileText(
  name: string,
  path: string | null,
  readFile: (path: string) => string,
  faults: string[],
): string | null {
  if (path === null) return null;
  try {
    return readFile(path);
  } catch {
    faults.push(`${name}=${path}: the file cannot be read`);
    return null;
  }
}

/** What a setting cannot do without, and what production cannot. */
function missing(configuration: Configuration): readonly string[] {
  const faults: string[] = [];
  if (configuration.jwtSecret !== null && configuration.jwksUrl !== null) {
    faults.push("GESTA_JWT_SECRET and GESTA_JWKS_URL: use one of them");
  }
  if (configuration.replicaUrls.length > 0 && configuration.databaseUrl === null) {
    faults.push("DATABASE_REPLICA_URLS: the embedded database has no replicas; set DATABASE_URL to their primary");
  }
  if (configuration.environment === "development") return faults;
  if (configuration.jwtSecret === null && configuration.jwksUrl === null) {
    faults.push("GESTA_JWT_SECRET or GESTA_JWKS_URL: production needs one of them");
  }
  if (configuration.databaseUrl === null) faults.push("DATABASE_URL: production needs a PostgreSQL server");
  if (configuration.ownerUrl === null) faults.push("GESTA_OWNER_URL: production migrates with a role of its own");
  return faults;
}
