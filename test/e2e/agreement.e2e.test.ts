import { agreement } from "gesta/testing";
import pg from "pg";
import { expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { freshDatabase } from "../support/fresh-database.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const cases = Number(process.env.CASES ?? 20_000);

test(`the API and the database agree on who may what, ${cases} times (SEED=${seed})`, async () => {
  const database = await freshDatabase();
  try {
    const report = await agreement({ application: delivery, databaseUrl: database.url, cases, seed });
    process.stdout.write(`${JSON.stringify({ ...report, disagreements: report.disagreements.length }, null, 2)}\n`);
    expect(report.disagreements).toEqual([]);
    expect(Object.values(report.cases).reduce((sum, count) => sum + count, 0)).toBe(cases);
  } finally {
    await database.drop();
  }
}, 600_000);

test("a policy that is missing in the database is found", async () => {
  const database = await freshDatabase();
  const client = new pg.Client({ connectionString: database.url });
  try {
    await agreement({ application: delivery, databaseUrl: database.url, cases: 0, seed });
    await client.connect();
    await client.query("alter policy read on app.promotions using (true)");
    const report = await agreement({ application: delivery, databaseUrl: database.url, cases: 1000, seed });
    const found = report.disagreements.map(({ what, policy }) => `${what.split(" {")[0]} ${policy}`.trim());
    expect(found).toEqual(expect.arrayContaining(["GET /promotions/{id} refuses"]));
  } finally {
    await client.end();
    await database.drop();
  }
});
