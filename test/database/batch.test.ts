import { afterEach, expect, test, vi } from "vitest";
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

const patient = { size: 16, lanes: 2, patience: 20, waiting: 100 };
const turn = () => new Promise((resolve) => setImmediate(resolve));
const turns = async () => {
  for (let nth = 0; nth < 5; nth++) await turn();
};

afterEach(() => {
  vi.useRealTimers();
});

/** A batch whose statements end when they are told to. */
function held(limits: typeof patient) {
  const asked: string[] = [];
  const ends = new Map<string, () => void>();
  const batch = new Batch<string, string>(async (questions) => {
    asked.push(questions.join());
    await new Promise<void>((resolve) => ends.set(questions.join(), resolve));
    return questions;
  }, limits);
  return { asked, ask: (question: string) => batch.ask(question), end: (questions: string) => ends.get(questions)?.() };
}

test("where statements are patient, what comes while one is under way leaves with the next one", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { asked, ask, end } = held(patient);
  const first = ask("a");
  await turns();
  const others = [ask("b"), ask("c")];
  await turns();
  expect(asked).toEqual(["a"]);
  end("a");
  expect(await first).toBe("a");
  expect(asked).toEqual(["a", "b,c"]);
  end("b,c");
  expect(await Promise.all(others)).toEqual(["b", "c"]);
});

test("beside a patient statement that takes long others leave, each when it comes", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { asked, ask, end } = held(patient);
  const blocked = ask("blocked");
  await turns();
  const second = ask("b");
  await turns();
  expect(asked).toEqual(["blocked"]);
  vi.advanceTimersByTime(20);
  expect(asked).toEqual(["blocked", "b"]);
  end("b");
  expect(await second).toBe("b");
  const third = ask("c");
  await turns();
  expect(asked).toEqual(["blocked", "b", "c"]);
  const fourth = ask("d");
  vi.advanceTimersByTime(20);
  await turns();
  expect(asked, "no more statements than lanes").toEqual(["blocked", "b", "c"]);
  end("c");
  end("blocked");
  expect(await Promise.all([blocked, third])).toEqual(["blocked", "c"]);
  end("d");
  expect(await fourth).toBe("d");
});

test("of patient statements the next leaves before the answers to the last are given out", async () => {
  const done: string[] = [];
  const batch = new Batch<string, string>(async (questions) => {
    // As a pool lends its connections.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    done.push(`asked ${questions.join()}`);
    await turns();
    return questions;
  }, patient);
  const told = (question: string) => batch.ask(question).then((answer) => done.push(`told ${answer}`));
  const first = told("a");
  await turn();
  await Promise.all([first, told("b")]);
  expect(done).toEqual(["asked a", "asked b", "told a", "told b"]);
});

test("eight questions of a patient batch leave before the turn ends, fewer at its end", async () => {
  const { asked, ask, end } = held(patient);
  const eight = Array.from({ length: 8 }, (_, nth) => ask(`${nth}`));
  expect(asked).toEqual(["0,1,2,3,4,5,6,7"]);
  end("0,1,2,3,4,5,6,7");
  expect(await Promise.all(eight)).toHaveLength(8);
  const one = ask("one");
  expect(asked).toHaveLength(1);
  await turns();
  expect(asked).toEqual(["0,1,2,3,4,5,6,7", "one"]);
  end("one");
  expect(await one).toBe("one");
});
