import { startPostgres } from "gesta/testing";
import { pgbenchIn } from "../load/pgbench.ts";
import { say, settings } from "../settings.ts";
import { query } from "./ask.ts";
import { type GestaProcess, sow, startGesta } from "./gesta-process.ts";
import { startPeer } from "./peer-process.ts";
import { copyTables, ownTables } from "./peer-tables.ts";
import { type Scene, setScene } from "./scene.ts";

/** Whom requests are sent to. */
export const ports = { gesta: 5601, bare: 5602, drizzle: 5603, constant: 5604 };
export type Peer = keyof typeof ports;
export const originOf = (peer: Peer): string => `http://127.0.0.1:${ports[peer]}`;
/** Of a second application beside the first. */
export const sparePort = 5605;

/** Everything that requests are measured on: one server, one sown database, Gesta and its peers. */
export interface Stage {
  readonly databaseUrl: string;
  /** Where the bare peer's tables are found first. */
  readonly bareUrl: string;
  readonly binDirectory: string;
  readonly gesta: GestaProcess;
  readonly scene: Scene;
  stop(): Promise<void>;
}

export async function setStage(): Promise<Stage> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const each of stops.reverse()) await each();
  };
  try {
    const server = await startPostgres({ shared_buffers: "512MB" });
    stops.push(() => server.stop());
    if (pgbenchIn(server.binDirectory) === null) say("pgbench did not come with this server: it is left out");
    await query(server.url(), "create database bench");
    const databaseUrl = server.url("bench");
    say(`sowing ${settings.orders} orders`);
    await sow(databaseUrl, ports.gesta, settings.orders);
    const gesta = await startGesta(databaseUrl, ports.gesta);
    stops.push(gesta.stop);
    const scene = await setScene(gesta.origin, databaseUrl);
    for (const peer of ["bare", "drizzle", "constant"] as const) {
      if (peer !== "constant") await copyTables(databaseUrl, peer);
      stops.push((await startPeer(peer, ports[peer], ownTables(databaseUrl, peer))).stop);
    }
    // What autovacuum would do within a minute: without statistics, all peers sort whole tables.
    await query(databaseUrl, "vacuum analyze");
    return {
      databaseUrl,
      bareUrl: ownTables(databaseUrl, "bare"),
      binDirectory: server.binDirectory,
      gesta,
      scene,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
