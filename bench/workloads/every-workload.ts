import { reads } from "./reads.ts";
import type { Workload } from "./workload.ts";
import { writes } from "./writes.ts";

/** In the order in which they are measured: what writes comes last, so that all read the same. */
export const workloads: readonly Workload[] = [...reads, ...writes];
