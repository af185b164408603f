import type { Surroundings } from "../gesta.ts";
import { readDuration } from "../kernel/duration.ts";
import { withClock } from "../operations.ts";

/** `gesta clock`, `gesta clock advance 30d`. @returns the text for standard output. */
export async function clock(around: Surroundings, [verb, ...rest]: readonly string[], json: boolean): Promise<string> {
  const by = verb === "advance" ? readDuration(rest.join(" ")) : 0;
  if ((verb !== undefined && verb !== "advance") || by === null) {
    throw new Error("gesta clock shows the clock of development, gesta clock advance 30d moves it: s, m, h or d");
  }
  const ahead = await withClock(around, (store) => (by === 0 ? store.ahead() : store.advance(by)));
  const now = new Date(Date.now() + ahead).toISOString();
  if (json) return JSON.stringify({ now, ahead_seconds: ahead / 1000 });
  return ahead === 0 ? `${now}, the machine's own` : `${now}, ${inWords(ahead)} ahead of the machine's`;
}

const inWords = (milliseconds: number): string => {
  const seconds = Math.round(milliseconds / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
};
