import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const blocks = (path: string) => readFileSync(path, "utf8").match(/^```[\s\S]*?^```$/gm) ?? [];

test("the Russian README has the same code blocks as the English one", () => {
  expect(blocks("README.md").length).toBeGreaterThan(4);
  expect(blocks("README.ru.md")).toEqual(blocks("README.md"));
});

test("the README shows the example as it is", () => {
  expect(blocks("README.md").join("\n")).toContain(readFileSync("examples/drinks/application.ts", "utf8").trim());
});
