import { randomUUID } from "node:crypto";
import { median } from "../figures.ts";
import { type Lone, loneTimes } from "../load/lone-requests.ts";
import type { LoneFigures } from "../results/results.ts";
import { say, settings } from "../settings.ts";
import { inJson } from "../stage/callers.ts";
import { startGesta } from "../stage/gesta-process.ts";
import { originOf, type Stage, sparePort } from "../stage/stage.ts";

const warmUp = 200;

/** A request while there is no other, with batches and without: two applications on one database, in turns. */
export async function measureLone({ databaseUrl, scene }: Stage): Promise<LoneFigures> {
  const unbatched = await startGesta(databaseUrl, sparePort, { GESTA_BATCHING: "off" });
  try {
    const kinds = { "get by id": getting(scene.own), "create with a key": creating };
    const requests = [];
    for (const [name, kind] of Object.entries(kinds)) {
      const sides = {
        batched: { ...kind, origin: originOf("gesta") },
        unbatched: { ...kind, origin: unbatched.origin },
      };
      const milliseconds = settings.seconds * settings.rounds * 1000;
      await loneTimes(sides, warmUp, milliseconds);
      const times = await loneTimes(sides, 4000, milliseconds);
      const of = (side: keyof typeof sides) => median(times.get(side) ?? []);
      requests.push({ name, batched: of("batched"), unbatched: of("unbatched") });
      say(`lone ${name}: ${of("batched").toFixed(3)} ms with batches, ${of("unbatched").toFixed(3)} ms without`);
    }
    return { requests };
  } finally {
    await unbatched.stop();
  }
}

type Kind = Omit<Lone, "origin">;

const getting = (own: Stage["scene"]["own"]): Kind => ({
  method: "GET",
  variant(nth) {
    const { id, headers } = own[nth % own.length] ?? { id: "", headers: {} };
    return { path: `/orders/${id}`, headers };
  },
});

const creating: Kind = {
  method: "POST",
  variant: (nth) => ({
    path: "/drinks",
    headers: { ...inJson, "idempotency-key": randomUUID() },
    body: JSON.stringify({ name: "Jack", price: nth % 100 }),
  }),
};
