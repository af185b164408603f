import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { differences, shellBlocks } from "../../scripts/readme-blocks.mjs";
import { runDelivery, type TestApplication } from "../support/running-application.ts";

const blocks = shellBlocks(readFileSync("docs/reading.md", "utf8"));

let app: TestApplication;
beforeAll(async () => {
  app = await runDelivery("postgres");
}, 240_000);
afterAll(() => app?.stop());

test("docs/reading.md has examples", () => expect(blocks.length).toBeGreaterThan(2));

test.each(blocks)("line $line of docs/reading.md answers as it says", async ({ text, reply }) => {
  const command = text.replaceAll("http://localhost:5000", app.running.url);
  const { stdout } = await promisify(execFile)("bash", ["-ec", command], {
    env: { ...process.env, TOKEN: await app.token("manager") },
  });
  expect(differences(JSON.parse(reply ?? "null"), JSON.parse(stdout))).toEqual([]);
});
