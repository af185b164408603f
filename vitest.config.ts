import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import ClosingLineReporter from "./test/support/closing-line-reporter.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** An example imports another one by its package name; the tests read its source, as they do for `gesta`. */
const examples = readdirSync(at("examples")).map((name) => ({
  find: new RegExp(`^gesta-example-${name}$`),
  replacement: at(`examples/${name}/application.ts`),
}));

export default defineConfig({
  resolve: {
    // Tests and examples must meet in one instance of each module: a frozen declaration is recognised by identity.
    alias: [
      { find: /^gesta$/, replacement: at("src/index.ts") },
      { find: /^gesta\/testing$/, replacement: at("src/testing/index.ts") },
      { find: /^gesta\/database$/, replacement: at("src/database/index.ts") },
      ...examples,
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // A process of its own for each file: tests send signals, and a worker thread cannot receive them.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 60_000,
    reporters: ["default", new ClosingLineReporter()],
  },
});
