import { fileURLToPath } from "node:url";

/** What the environment says about a run, with the lengths that a whole run has without it. */
export const settings = {
  /** Of a round; wrk takes whole ones. */
  seconds: Number(process.env.BENCH_SECONDS ?? 2),
  rounds: Number(process.env.BENCH_ROUNDS ?? 3),
  /** Of the database that is sown for a run; some four events each. */
  orders: Number(process.env.BENCH_ORDERS ?? 10_000),
  /** Databases that are there, superusers' URLs: for `growth`, and the last of them for `past`. */
  databases: (process.env.BENCH_DATABASES ?? "").split(",").filter((url) => url !== ""),
};

/** What to measure: the words of the command line or BENCH_ONLY; null is all of it. */
export const only: readonly string[] | null =
  process.argv.length > 2 ? process.argv.slice(2) : (process.env.BENCH_ONLY?.split(",") ?? null);

export const isWanted = (name: string): boolean => only?.includes(name) ?? true;

export const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));
/** Where `bench/results.json` and `docs/performance.md` are, to try a run without touching those of the repository. */
export const place = process.env.BENCH_OUT ?? repositoryRoot;
export const say = (line: string): boolean => process.stdout.write(`${line}\n`);
