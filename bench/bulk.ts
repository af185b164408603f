import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startPostgres } from "gesta/testing";

/**
 * Creations by the thousand beside the same ones sent one request after another: rounds interleave, medians of rows per
 * second are told. Seconds of a round and number of rounds: BENCH_SECONDS (4) and BENCH_ROUNDS (5).
 */
const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const rows = 1000;
const port = 5605;
const origin = `http://127.0.0.1:${port}`;
const say = (line: string) => process.stdout.write(`${line}\n`);

const drink = (nth: number) => ({ name: `drink ${nth}`, price: nth % 100 });
const one = JSON.stringify(drink(1));
const many = JSON.stringify({ items: Array.from({ length: rows }, (_, nth) => drink(nth)) });

const server = await startPostgres({ shared_buffers: "512MB" });
const application = spawn("bin/gesta.js", ["start"], {
  cwd: fileURLToPath(new URL("../..", import.meta.url)),
  env: {
    ...process.env,
    DATABASE_URL: server.url(),
    GESTA_JWT_SECRET: "a secret of at least thirty-two characters",
    HOST: "127.0.0.1",
    PORT: String(port),
  },
  stdio: ["ignore", "ignore", "inherit"],
});
try {
  for (let attempt = 0; !(await fetch(`${origin}/readyz`).catch(() => null))?.ok; attempt++) {
    if (attempt === 300) throw new Error(`${origin} did not answer within 30 s`);
    await sleep(100);
  }
  const kinds = [
    { name: "one after another", path: "/drinks", body: one, rows: 1, atOnce: 1 },
    ...[1, 2, 3].map((atOnce) => ({
      name: `${rows} in a call, ${atOnce} at once`,
      path: "/drinks/bulk",
      body: many,
      rows,
      atOnce,
    })),
  ];
  const rates = new Map(kinds.map(({ name }) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (const kind of kinds) {
      const rate = await sent(kind);
      if (round >= 0) rates.get(kind.name)?.push(rate); // the first round warms up
    }
  }
  const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const [single = 0] = kinds.map(({ name }) => median(rates.get(name) ?? []));
  say(
    `${rounds} rounds of ${seconds} s, medians\n\n| creations | rows per second | × one after another |\n|---|---|---|`,
  );
  for (const { name } of kinds) {
    const rate = median(rates.get(name) ?? []);
    say(`| ${name} | ${rate.toFixed(0)} | ${(rate / single).toFixed(1)} |`);
  }
} finally {
  application.kill("SIGTERM");
  await sleep(500);
  await server.stop();
}

interface Kind {
  readonly path: string;
  readonly body: string;
  readonly rows: number;
  readonly atOnce: number;
}

/** Rows that were stored in a second, so many calls under way at a time. */
async function sent(kind: Kind): Promise<number> {
  const began = performance.now();
  let stored = 0;
  const lane = async () => {
    while (performance.now() - began < seconds * 1000) {
      const reply = await fetch(`${origin}${kind.path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: kind.body,
      });
      const text = await reply.text();
      if (!reply.ok) throw new Error(`${kind.path}: ${reply.status} ${text.slice(0, 200)}`);
      stored += kind.rows;
    }
  };
  await Promise.all(Array.from({ length: kind.atOnce }, lane));
  return stored / ((performance.now() - began) / 1000);
}
