import { describe, expect, test } from "vitest";
import { ConfigurationError, readConfiguration } from "../../src/kernel/configuration.ts";
import { weaknesses } from "../../src/kernel/weaknesses.ts";

const secret = "0123456789abcdef0123456789abcdef";
const read = (environment: Readonly<Record<string, string>>) => readConfiguration(environment, () => "a certificate");
const found = (environment: Readonly<Record<string, string>>) =>
  weaknesses(read({ GESTA_JWT_SECRET: secret, ...environment })).map(({ what }) => what);

describe("what is weak in an environment", () => {
  test.each(["x", "0123456789abcdef0123456789abcde", "secret".repeat(8), "change-me-".repeat(5), "0".repeat(64)])(
    "the secret %s",
    (weak) => expect(found({ GESTA_JWT_SECRET: weak })).toEqual([expect.stringMatching(/GESTA_JWT_SECRET .* guessed/)]),
  );

  test.each([
    "postgres://shop@localhost/shop",
    "postgres://shop@127.0.0.1:5433/shop?sslmode=disable",
    "postgres://shop@[::1]/shop",
    "postgres:///shop?host=/var/run/postgresql",
    "postgres://shop@%2Fvar%2Frun%2Fpostgresql/shop",
    "postgres://shop@db.example/shop?sslmode=verify-full",
    "postgres://shop@db.example/shop?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    "postgres://shop@db.example/shop?ssl=true",
  ])("not %s", (url) => expect(found({ DATABASE_URL: url, GESTA_OWNER_URL: url })).toEqual([]));

  test.each([
    ["postgres://shop@db.example/shop", "without TLS"],
    ["postgres://shop@10.0.0.1/shop", "without TLS"],
    ["postgres://shop@localhost.example/shop", "without TLS"],
    ["postgres://shop@127.0.0.1/shop?host=db.example", "without TLS"],
    ["postgres://shop@db.example/shop?sslmode=disable", "without a check"],
    ["postgres://shop@db.example/shop?sslmode=prefer", "without a check"],
    ["postgres://shop@db.example/shop?sslmode=require", "without a check"],
    ["postgres://shop@db.example/shop?sslmode=no-verify", "without a check"],
    ["postgres://shop@db.example/shop?ssl=no-verify", "without a check"],
    ["postgres://shop@db.example/shop?ssl=true&sslmode=no-verify", "without a check"],
    ["postgres://shop@db.example/shop?sslmode=verify-full&sslmode=disable", "without a check"],
  ])("%s, %s", (url, says) => {
    expect(found({ DATABASE_URL: url })).toEqual([expect.stringContaining(`DATABASE_URL leaves this machine ${says}`)]);
    expect(found({ GESTA_OWNER_URL: url })).toEqual([expect.stringContaining("GESTA_OWNER_URL leaves")]);
  });

  test("a key set that others can change, or whose tokens are for anyone", () => {
    const keys = (url: string, audience = {}) =>
      weaknesses(read({ GESTA_JWKS_URL: url, ...audience })).map(({ what }) => what);
    const mine = { GESTA_JWT_AUDIENCE: "shop" };
    expect(keys("https://issuer.example/keys", mine)).toEqual([]);
    expect(keys("http://localhost:8080/keys", mine)).toEqual([]);
    expect(keys("http://issuer.example/keys", mine)).toEqual([expect.stringContaining("without TLS")]);
    expect(keys("https://issuer.example/keys")).toEqual([expect.stringContaining("GESTA_JWT_AUDIENCE is missing")]);
  });

  test("a replica that others can listen to", () => {
    const database = "postgres://shop@localhost/shop";
    const urls = `${database},postgres://shop@replica.example/shop`;
    expect(found({ DATABASE_URL: database, DATABASE_REPLICA_URLS: urls })).toEqual([
      "address 2 of DATABASE_REPLICA_URLS leaves this machine without TLS",
    ]);
  });

  test("a certificate makes TLS sure, unless the URL speaks of TLS itself", () => {
    expect(found({ DATABASE_URL: "postgres://shop@db.example/shop", GESTA_DB_CA: "ca.pem" })).toEqual([]);
    expect(
      found({ DATABASE_URL: "postgres://shop@db.example/shop?sslmode=verify-full", GESTA_DB_CA: "ca.pem" }),
    ).toEqual([expect.stringContaining("GESTA_DB_CA is not looked at")]);
  });

  test("says nothing of the secret or the password", () => {
    const weak = weaknesses(
      read({ GESTA_JWT_SECRET: "hunter2", DATABASE_URL: "postgres://shop:hunter2@db.example/shop" }),
    );
    expect(weak).toHaveLength(2);
    expect(JSON.stringify(weak)).not.toContain("hunter2");
  });
});

test("production is told of all that is wrong in its environment at once", () => {
  const environment = { GESTA_ENV: "production", PORT: "x", GESTA_JWT_SECRET: "x", DATABASE_URL: "postgres://db/shop" };
  expect(() => read(environment)).toThrow(ConfigurationError);
  for (const part of ["PORT=x", "GESTA_OWNER_URL", "GESTA_JWT_SECRET has 1", "without TLS"])
    expect(() => read(environment)).toThrow(part);
});

describe("replicas", () => {
  const database = { DATABASE_URL: "postgres://shop@localhost/shop" };

  test("are named with commas between them, and may be ten seconds behind", () => {
    const urls = " postgres://one/shop , postgresql://two/shop";
    const { replicaUrls, replicaMaxLag } = read({ ...database, DATABASE_REPLICA_URLS: urls });
    expect([replicaUrls, replicaMaxLag]).toEqual([["postgres://one/shop", "postgresql://two/shop"], 10_000]);
    expect(read({ ...database, GESTA_REPLICA_MAX_LAG: "2m" }).replicaMaxLag).toBe(120_000);
    expect(read({}).replicaUrls).toEqual([]);
  });

  test.each([
    [{ DATABASE_REPLICA_URLS: "postgres://one/shop" }, "the embedded database has no replicas; set DATABASE_URL"],
    [{ ...database, DATABASE_REPLICA_URLS: "postgres://one/shop,http://two" }, "address 2 must start with postgres://"],
    [{ ...database, DATABASE_REPLICA_URLS: "postgres://one/shop," }, "address 2 must start with postgres://"],
    [{ ...database, DATABASE_REPLICA_URLS: "postgres://a/b,postgres://a/b" }, "address 2 is the same as address 1"],
    [{ ...database, GESTA_REPLICA_MAX_LAG: "10" }, "GESTA_REPLICA_MAX_LAG=10: use a duration from 1s to 1h"],
    [{ ...database, GESTA_REPLICA_MAX_LAG: "2h" }, "GESTA_REPLICA_MAX_LAG=2h: use a duration from 1s to 1h"],
  ])("%j is refused", (environment, says) => expect(() => read(environment)).toThrow(says));

  test("no password is told", () => {
    const urls = "http://shop:hunter2@one/shop";
    expect(() => read({ ...database, DATABASE_REPLICA_URLS: urls })).toThrow(/^(?!.*hunter2)/s);
  });
});
