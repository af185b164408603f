import type { Script } from "../load/pgbench.ts";
import type { Request } from "../load/request.ts";
import type { Scene } from "../stage/scene.ts";
import type { Peer } from "../stage/stage.ts";

/** One kind of request, and who is sent it. */
export interface Workload {
  readonly name: string;
  readonly peers: readonly Peer[];
  readonly connections: readonly number[];
  /** Made anew before each load: what the records are now may decide what can be asked. */
  readonly request: (peer: Peer, scene: Scene) => Request | Promise<Request>;
  /** What each reply says when all is well. */
  readonly status: number;
  /** What the peers' replies must have in common with Gesta's: every value, or the members. */
  readonly alike: "values" | "members";
  /** The member of the reply that is compared; all of it otherwise. */
  readonly member?: string;
  /** What pgbench runs. */
  readonly scripts?: (scene: Scene) => readonly Script[];
}

export const usualConnections = [64];
export const everyConnections = [1, 16, 64, 256];
export const allPeers: readonly Peer[] = ["gesta", "bare", "drizzle"];
