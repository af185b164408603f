import { type Surroundings, startApplication } from "../gesta.ts";
import type { RunnableApplication } from "../operations.ts";
import { keepHeapSmall } from "./heap-growth.ts";

/** Serves until SIGTERM or SIGINT; then finishes what was accepted. A second signal ends at once. */
export async function start(application: RunnableApplication, around: Surroundings): Promise<void> {
  const began = performance.now();
  const running = await startApplication(application, around);
  keepHeapSmall();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const embedded = running.engine === "pglite";
  const database = embedded
    ? `embedded PGlite, ${running.place} (one process; power loss is not covered)\n            production: set DATABASE_URL to PostgreSQL 15 or newer`
    : running.place;
  process.stdout.write(`gesta  ${application.name}  ready in ${seconds} s
  API       ${running.url}   docs ${running.url}/docs
  Database  ${database}
  Data      ${running.fresh ? "new, sown with the application's seed" : "kept from earlier"}
Try   curl -X POST ${running.url}/drinks -d name=Jack -d price=10
      curl -H "Authorization: Bearer $(npx gesta token --as customer1)" ${running.url}/orders
`);
  around.observe({ kind: "started", url: running.url, engine: running.engine, milliseconds: Number(seconds) * 1000 });

  await new Promise<void>((resolve, reject) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) process.exit(1);
      stopping = true;
      around.observe({ kind: "stopping", signal });
      running.close().then(resolve, reject);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
  around.observe({ kind: "stopped" });
}
