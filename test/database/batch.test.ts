import { expect, test } from "vitest";
import { Batch } from "../../src/database/batch.ts";
import { DatabaseError } from "../../src/database/engine.ts";
import { Refusal } from "../../src/kernel/refusal.ts";

const limits = { size: 4, lanes: 1, waiting: 6 };
const text = (question: string) => question;

test("equal questions that wait are asked once, and all of their askers are answered", async () => {
  const asked: string[][] = [];
  const batch = new Batch<string, string>(
    async (questions) => {
      asked.push([...questions]);
      return questions.map((question) => `${question}!`);
    },
    limits,
    text,
  );
  expect(await Promise.all(["a", "b", "a", "a"].map((question) => batch.ask(question)))).toEqual([
    "a!",
    "b!",
    "a!",
    "a!",
  ]);
  expect(asked).toEqual([["a", "b"]]);
});

test("a question that comes while an equal one is under way is asked anew", async () => {
  const release: (() => void)[] = [];
  let stored = 1;
  const batch = new Batch<string, number>(
    async (questions) => {
      const seen = stored;
      await new Promise<void>((resolve) => release.push(resolve));
      return questions.map(() => seen);
    },
    limits,
    text,
  );
  const before = batch.ask("a");
  await new Promise((resolve) => setImmediate(resolve));
  stored = 2;
  const after = batch.ask("a");
  release.shift()?.();
  expect(await before).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  release.shift()?.();
  expect(await after).toBe(2);
});

test("a question that fails fails for all of its askers, and for them alone", async () => {
  const batch = new Batch<string, string>(
    async (questions) => {
      if (questions.includes("bad")) throw new DatabaseError("22000", "no", null);
      return questions;
    },
    limits,
    text,
  );
  const answers = await Promise.allSettled(["bad", "good", "bad"].map((question) => batch.ask(question)));
  expect(answers.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected"]);
});

test("askers of equal questions count among those that wait", async () => {
  const batch = new Batch<string, string>(async (questions) => questions, limits, text);
  const answers = await Promise.allSettled(Array.from({ length: 7 }, () => batch.ask("a")));
  expect(answers.map(({ status }) => status)).toEqual([...Array(6).fill("fulfilled"), "rejected"]);
  expect(await batch.ask("a")).toBe("a");
});

test("what takes too long takes nobody along, and no more than two of a batch are waited for", async () => {
  const asked: string[] = [];
  const tooLong = () => new Refusal("overloaded", {}, new DatabaseError("57014", "canceling statement", null));
  const batch = new Batch<string, string>(
    async (questions) => {
      asked.push(questions.join());
      if (questions.some((question) => question.startsWith("slow"))) throw tooLong();
      return questions;
    },
    limits,
    text,
  );
  const answers = await Promise.allSettled(["slow 1", "good", "slow 2", "late"].map((question) => batch.ask(question)));
  expect(answers.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected", "rejected"]);
  expect(asked).toEqual(["slow 1,good,slow 2,late", "slow 1", "good", "slow 2"]);
});
