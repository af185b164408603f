import { expect, test } from "vitest";
import delivery from "../../examples/delivery/application.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { personalValues } from "../../src/repositories/personal-values.ts";

const { plan } = makePlan(delivery);
const id = "01900000-0000-7000-8000-000000000001";

/** Keys that are kept before anything is sealed with them, in a map. */
function kept() {
  const known = new Map<string, Buffer>();
  return {
    known,
    keys: {
      keysOf: async (subjects: readonly string[]) => subjects.map((subject) => known.get(subject) ?? null),
      keep: async (subject: string, key: Buffer) => {
        known.set(subject, key);
        return true;
      },
      discard: async (subject: string) => {
        known.delete(subject);
      },
      destroy: async () => {},
      destroyed: async () => [],
    },
  };
}

test("the key of a new record that was refused is forgotten", async () => {
  const { known, keys } = kept();
  const { done } = await personalValues(plan, keys).seal("users", { id, version: null, set: { name: "Vera" } });
  expect(known.size).toBe(1);
  await done(false);
  expect(known.size).toBe(0);
});

test("that of an older record stays: another command may have sealed with it meanwhile", async () => {
  const { known, keys } = kept();
  const personal = personalValues(plan, keys);
  const slower = await personal.seal("users", { id, version: 1, set: { name: "Vera" } });
  const faster = await personal.seal("users", { id, version: 1, set: { name: "Wera" } });
  await faster.done(true);
  await slower.done(false);
  expect(known.size).toBe(1);
});
