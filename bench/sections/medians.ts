import { median } from "../figures.ts";
import type { Load } from "../load/request.ts";

/** Of each figure by itself; what failed is added up. */
export function medians(loads: readonly Load[]): Load {
  const of = (figure: (load: Load) => number) => median(loads.map(figure));
  return {
    perSecond: of(({ perSecond }) => perSecond),
    p50: of(({ p50 }) => p50),
    p95: of(({ p95 }) => p95),
    p99: of(({ p99 }) => p99),
    failed: loads.reduce((sum, { failed }) => sum + failed, 0),
  };
}
