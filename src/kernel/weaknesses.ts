import type { StartFault } from "./start-fault.ts";

const shortestSecret = 32;
/** A random secret in hexadecimal has nearly all 16; a word written over and over has few. */
const fewestCharacters = 10;

interface Settings {
  readonly jwtSecret: string | null;
  readonly jwksUrl: string | null;
  readonly jwtAudience: string | null;
  readonly databaseUrl: string | null;
  readonly ownerUrl: string | null;
  readonly databaseCertificate: string | null;
  readonly replicaUrls: readonly string[];
}

/** Settings that work and are not safe. Pure. */
export function weaknesses({
  jwtSecret,
  jwksUrl,
  jwtAudience,
  databaseUrl,
  ownerUrl,
  databaseCertificate,
  replicaUrls,
}: Settings): readonly StartFault[] {
  return [
    ...(jwtSecret === null ? [] : secretFaults(jwtSecret)),
    ...(jwksUrl === null ? [] : keySetFaults(new URL(jwksUrl), jwtAudience)),
    ...(databaseUrl === null ? [] : tlsFaults("DATABASE_URL", databaseUrl, databaseCertificate !== null)),
    ...replicaUrls.flatMap((url, index) =>
      tlsFaults(`address ${index + 1} of DATABASE_REPLICA_URLS`, url, databaseCertificate !== null),
    ),
    ...(ownerUrl === null ? [] : tlsFaults("GESTA_OWNER_URL", ownerUrl, databaseCertificate !== null)),
  ];
}

function secretFaults(secret: string): readonly StartFault[] {
  const remedy = "GESTA_JWT_SECRET=$(openssl rand -hex 32)";
  if (secret.length < shortestSecret)
    return [
      {
        what: `GESTA_JWT_SECRET has ${secret.length} characters, fewer than ${shortestSecret}: it can be guessed`,
        remedy,
      },
    ];
  const different = new Set(secret).size;
  if (different < fewestCharacters)
    return [{ what: `GESTA_JWT_SECRET is made of ${different} different characters: it can be guessed`, remedy }];
  return [];
}

const keySetFaults = (url: URL, audience: string | null): readonly StartFault[] => [
  ...(url.protocol === "https:" || isLocal(url)
    ? []
    : [
        {
          what: "GESTA_JWKS_URL leaves this machine without TLS: whoever is between may hand in keys",
          remedy: "use https://",
        },
      ]),
  ...(audience !== null
    ? []
    : [
        {
          what: "GESTA_JWT_AUDIENCE is missing: a token that the provider made for any other application is taken",
          remedy: "set it to the name that the provider gives this application",
        },
      ]),
];

/**
 * Whether a connection that leaves the machine is sure of whom it talks to. What the URL says of TLS goes before the
 * certificate of GESTA_DB_CA in the driver, so the two together are a fault of their own.
 */
function tlsFaults(name: string, address: string, hasCertificate: boolean): readonly StartFault[] {
  const url = new URL(address);
  if (isLocal(url)) return [];
  const remedy = "add ?sslmode=verify-full to it, or name the authority's certificate in GESTA_DB_CA";
  const said = ["sslmode", "ssl", "uselibpqcompat"].filter((parameter) => url.searchParams.has(parameter));
  if (said.length === 0) return hasCertificate ? [] : [{ what: `${name} leaves this machine without TLS`, remedy }];
  const verified =
    lastOf(url, "sslmode") === "verify-full" ||
    (said.join() === "ssl" && ["true", "1"].includes(lastOf(url, "ssl") ?? ""));
  if (!verified) return [{ what: `${name} leaves this machine without a check of the server's certificate`, remedy }];
  if (hasCertificate && !url.searchParams.has("sslrootcert"))
    return [
      {
        what: `${name} says ${said.join()}, so GESTA_DB_CA is not looked at`,
        remedy: `take ${said.join()} out of ${name}: with GESTA_DB_CA the certificate is always checked`,
      },
    ];
  return [];
}

/** The driver takes the last of several parameters of one name. */
const lastOf = (url: URL, parameter: string): string | undefined => url.searchParams.getAll(parameter).at(-1);

function isLocal(url: URL): boolean {
  const host = lastOf(url, "host") ?? decodeURIComponent(url.hostname);
  return host === "" || host.startsWith("/") || /^(localhost|127(\.\d+){3}|\[?::1\]?)$/.test(host);
}
