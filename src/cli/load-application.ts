import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { RunnableApplication } from "../operations.ts";

/** Finds the application: `--application FILE`, or `"gesta": {"application": FILE}` in the package.json here. */
export async function loadApplication(given: string | undefined): Promise<RunnableApplication> {
  const file = given ?? fromPackage();
  if (file === undefined) {
    throw new Error(
      'Which application? Pass --application FILE or set "gesta": {"application": "FILE"} in package.json.',
    );
  }
  const path = resolve(file);
  if (!existsSync(path)) throw new Error(`There is no ${path}. Build first: npm run build`);
  const module: { readonly default?: RunnableApplication } = await import(pathToFileURL(path).href);
  if (module.default === undefined)
    throw new Error(`${path} has no default export; write: export default application(…)`);
  return module.default;
}

function fromPackage(): string | undefined {
  const path = join(process.cwd(), "package.json");
  if (!existsSync(path)) return undefined;
  const { gesta } = JSON.parse(readFileSync(path, "utf8"));
  return typeof gesta?.application === "string" ? gesta.application : undefined;
}
