import type { Barrier } from "../../declare/action.ts";
import type { BarrierPlan } from "../plan.ts";

const units = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** `"30 days"` in milliseconds; NaN for what is no time to wait. */
export function millisecondsOf(duration: string): number {
  const [, count, unit] = /^(\d{1,5}) (minute|hour|day)s?$/.exec(duration) ?? [];
  // The expression lets these three through alone.
  return count === undefined ? Number.NaN : Number(count) * units[unit as keyof typeof units];
}

/** Fills in what a delete declares. */
export const planBarrier = ({ confirm = false, wait, notice = "7 days" }: Barrier): BarrierPlan => ({
  confirm: confirm === true ? "always" : confirm === false ? "never" : confirm,
  wait: wait === undefined ? null : millisecondsOf(wait),
  notice: millisecondsOf(notice),
});
