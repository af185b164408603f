import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { SourceTree } from "./import-rules.ts";

export const repositoryRoot = fileURLToPath(new URL("../../", import.meta.url));

/** Every source file under `folders` of the repository; what is built, installed, emitted or measured is left out. */
export function readSourceTree(folders: readonly string[]): SourceTree {
  const tree = new Map<string, string>();
  const read = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !["dist", "node_modules", "golden"].includes(entry.name)) read(path);
      else if (entry.isFile() && entry.name !== "results.json" && /\.(ts|mts|cts|js|mjs|sql|json)$/.test(entry.name))
        tree.set(relative(repositoryRoot, path).split(sep).join("/"), readFileSync(path, "utf8"));
    }
  };
  for (const folder of folders) read(join(repositoryRoot, folder));
  return tree;
}
