import { vi } from "vitest";
import type { Surroundings } from "../../src/gesta.ts";

/**
 * Starts another application on the same database that remembers nothing of what it read: neither texts of records and
 * pages nor what URLs ask for. What it answers is what the database says now.
 * @param declaration the module whose export declares it: its own copy of all modules needs its own copy of that
 */
export async function startForgetful(around: Surroundings, declaration: "studio" | "delivery") {
  vi.resetModules();
  vi.doMock("../../src/repositories/record-memory.ts", async (original) => {
    const real = await original<typeof import("../../src/repositories/record-memory.ts")>();
    return { ...real, recordMemory: () => () => real.noMemory };
  });
  vi.doMock("../../src/presentation/http/query-string.ts", async (original) => {
    const real = await original<typeof import("../../src/presentation/http/query-string.ts")>();
    return { ...real, readKnownQuery: (url: string) => new Map(real.readQuery(url)) };
  });
  try {
    const { startApplication } = await import("../../src/gesta.ts");
    const declared =
      declaration === "studio"
        ? (await import("./studio.ts")).studio
        : (await import("../../examples/delivery/application.ts")).default;
    return await startApplication(declared, around);
  } finally {
    vi.doUnmock("../../src/repositories/record-memory.ts");
    vi.doUnmock("../../src/presentation/http/query-string.ts");
    vi.resetModules();
  }
}
