import { expect, test } from "vitest";
import { serverFaults } from "../../src/repositories/catalogue/server-faults.ts";

// Old versions cannot be had for a test; everything else about a server is tried on a real one.
const whatOf = (version: number) =>
  serverFaults({
    server: { version, settings: {}, login: "shop", loginFailure: null, roles: [] },
    tables: [],
    policies: [],
    grants: [],
    definers: [],
    strangers: [],
    openViews: [],
    openFunctions: [],
    writableSchemas: [],
    changeableEvents: [],
    clockMoved: false,
    missingFunctions: [],
  }).map(({ what, remedy }) => `${what}; ${remedy}`);

test.each([150014, 150018, 160010, 170006, 180000, 190001])("version %i is safe", (version) =>
  expect(whatOf(version)).toEqual([]),
);

test.each([
  [140020, "PostgreSQL 14.20 is too old; install PostgreSQL 15.14 or later"],
  [150013, "PostgreSQL 15.13 has known ways past row-level security; install PostgreSQL 15.14 or later"],
  [160009, "PostgreSQL 16.9 has known ways past row-level security; install PostgreSQL 16.10 or later"],
  [170000, "PostgreSQL 17.0 has known ways past row-level security; install PostgreSQL 17.6 or later"],
])("version %i is not", (version, says) => expect(whatOf(version)).toEqual([says]));
