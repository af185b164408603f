import type { Load } from "../load/request.ts";
import type { Circumstances } from "./circumstances.ts";

/** Figures, and under what circumstances they were measured: parts are measured apart and keep their own. */
export type Measured<Figures> = Figures & { readonly measured: Circumstances };

export interface Rate extends Load {
  readonly peer: string;
  readonly connections: number;
}

/** Medians of one workload: Gesta and its peers in turns. */
export interface RequestFigures {
  readonly rates: readonly Rate[];
  /** Transactions per second of pgbench; absent where it does not come with the server. */
  readonly pgbench?: readonly { readonly sessions: number; readonly perSecond: number }[];
}

export interface BulkFigures {
  readonly rows: number;
  /** Rows per second, sent one request after another. */
  readonly single: number;
  readonly calls: readonly { readonly atOnce: number; readonly perSecond: number }[];
}

/** Milliseconds of a request while there is no other: with batches, and without. */
export interface LoneFigures {
  readonly requests: readonly { readonly name: string; readonly batched: number; readonly unbatched: number }[];
}

export interface MemoryFigures {
  readonly peakMegabytes: number;
  /** The workloads during which. */
  readonly during: readonly string[];
}

export interface PastFigures {
  readonly events: number;
  readonly bytesPerEvent: number;
  readonly requests: readonly {
    readonly name: string;
    /** What it is compared with: the same of now. */
    readonly present: string;
    readonly lone: number;
    readonly perSecond: number;
    readonly failed: number;
  }[];
  readonly verified: { readonly said: string; readonly seconds: number };
}

/** The same requests on databases of other sizes, the smallest first. */
export interface GrowthFigures {
  readonly databases: readonly {
    readonly events: number;
    readonly orders: number;
    readonly requests: readonly (Load & { readonly name: string })[];
  }[];
}

/** All that is known, by the last run that measured it. */
export interface Results {
  readonly requests: Readonly<Record<string, Measured<RequestFigures>>>;
  readonly bulk?: Measured<BulkFigures>;
  readonly lone?: Measured<LoneFigures>;
  readonly memory?: Measured<MemoryFigures>;
  readonly past?: Measured<PastFigures>;
  readonly growth?: Measured<GrowthFigures>;
}

export const noResults: Results = { requests: {} };
