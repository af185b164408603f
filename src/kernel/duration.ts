const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `12 hours`, `90m` in milliseconds; null for what is no duration. */
export function readDuration(text: string): number | null {
  const [, count = "", unit = ""] =
    /^(\d{1,5}) ?(s|m|h|d|seconds?|minutes?|hours?|days?)$/.exec(text.trim().toLowerCase()) ?? [];
  const milliseconds = Number(count) * (units[unit.charAt(0)] ?? 0);
  return milliseconds > 0 ? milliseconds : null;
}
