#!/usr/bin/env node
import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (!existsSync(main)) {
  process.stderr.write("gesta: not built yet; run: npm run build\n");
  process.exit(2);
}
const { main: run } = await import(main.href);
process.exit(await run(process.argv.slice(2)));
