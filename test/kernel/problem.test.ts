import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { faults } from "../../src/kernel/fault.ts";
import { problems } from "../../src/kernel/problem.ts";

test("docs/problems.md lists every code with its status, and no other", () => {
  const rows = [...readFileSync("docs/problems.md", "utf8").matchAll(/^\| `(\w+)` \| (\d{3}) \|/gm)];
  expect(rows.map(([, code, status]) => `${code} ${status}`)).toEqual(
    Object.entries(problems).map(([code, { status }]) => `${code} ${status}`),
  );
});

test("docs/problems.md lists every code at a pointer or parameter, and no other", () => {
  const rows = [...readFileSync("docs/problems.md", "utf8").matchAll(/^- `(\w+)`: /gm)];
  expect(rows.map(([, code]) => code)).toEqual(Object.keys(faults));
});
