import { setImmediate as nextTurn } from "node:timers/promises";
import { Refusal } from "../kernel/refusal.ts";
import { DatabaseError, type Engine, endingLimit } from "./engine.ts";
import { type LaneLimits, Lanes } from "./lanes.ts";

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly key: string | null;
  /** Whoever asked it: more than one where they asked the same. */
  readonly askers: Asker<Answer>[];
}

interface Asker<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchLimits extends LaneLimits {
  /** Questions in one statement. */
  readonly size: number;
  /** Questions that may wait; one more is refused as `overloaded`. */
  readonly waiting: number;
  /** No question waits for another one, nor joins it. */
  readonly alone?: true;
}

/** Questions of one batch that may each take as long as a statement may, one after another. */
const mostEnded = 2;
/** Questions that do not wait for the end of the turn in which they came: the database has work while it goes on. */
const enough = 8;

/** The limits on an engine: one that is `unbatched` is asked each question by itself, at once. */
export const limitsOn = ({ unbatched }: Engine, limits: BatchLimits): BatchLimits =>
  unbatched ? { ...limits, alone: true } : limits;

/**
 * Answers questions that wait at the same moment with one statement, first come first served. A lone question waits for
 * nothing: it leaves at the end of the turn of the event loop in which it came. While statements are under way the next
 * batch gathers by itself, and leaves before the answers to the last one are given out. A statement that the database
 * refuses is asked again question by question, so one question's failure is its own; it was rolled back whole, so
 * nothing happens twice. So is one that took too long; after the second of a batch that does by itself, the rest are not
 * tried any more, or a lane would be taken up for minutes.
 *
 * Where `sameAs` is given, questions with the same text that wait at the same moment are asked once. None joins a
 * statement that has left: each is answered by one that began after the question came, so it sees all that was
 * committed before.
 */
export class Batch<Question, Answer> {
  readonly #ask: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  readonly #limits: BatchLimits;
  readonly #sameAs: ((question: Question) => string) | null;
  readonly #waiting = new Map<string, Waiting<Question, Answer>>();
  readonly #lanes: Lanes;
  #askers = 0;
  #queue: Waiting<Question, Answer>[] = [];
  #scheduled = false;

  /** @param sameAs a text that is equal for equal questions, of the same actor; absent where each must be asked */
  constructor(
    ask: (questions: readonly Question[]) => Promise<readonly Answer[]>,
    limits: BatchLimits,
    sameAs: ((question: Question) => string) | null = null,
  ) {
    this.#ask = ask;
    this.#limits = limits;
    this.#sameAs = sameAs;
    this.#lanes = new Lanes(limits, () => this.#send());
  }

  ask(question: Question): Promise<Answer> {
    if (this.#askers >= this.#limits.waiting) return Promise.reject(new Refusal("overloaded", { retryAfter: 1 }));
    return new Promise((resolve, reject) => {
      this.#askers++;
      if (this.#limits.alone) {
        void this.#answerOne({ question, key: null, askers: [{ resolve, reject }] }).then(() => this.#askers--);
      } else if (!this.#joins(question, { resolve, reject }) && this.#lanes.isFree) {
        this.#sendSoon();
      }
    });
  }

  /** Whether the question waits already. Otherwise it does from now on. */
  #joins(question: Question, asker: Asker<Answer>): boolean {
    const key = this.#sameAs?.(question) ?? null;
    const same = key === null ? undefined : this.#waiting.get(key);
    if (same !== undefined) {
      same.askers.push(asker);
      return true;
    }
    const waiting = { question, key, askers: [asker] };
    this.#queue.push(waiting);
    if (key !== null) this.#waiting.set(key, waiting);
    return false;
  }

  get #isPatient(): boolean {
    return this.#limits.patience !== undefined;
  }

  #sendSoon(): void {
    if (this.#isPatient && this.#queue.length >= enough) {
      this.#send();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#send();
      });
    }
  }

  /** @returns whether a statement left */
  #send(): boolean {
    let left = false;
    while (this.#queue.length > 0 && this.#lanes.isFree) {
      const batch = this.#queue.splice(0, this.#limits.size);
      for (const { key, askers } of batch) {
        this.#askers -= askers.length;
        if (key !== null) this.#waiting.delete(key);
      }
      void this.#answer(batch, this.#lanes.begin());
      left = true;
    }
    return left;
  }

  async #answer(batch: readonly Waiting<Question, Answer>[], end: () => void): Promise<void> {
    let answers: readonly Answer[];
    try {
      answers = await this.#asked(batch);
    } catch (error) {
      await this.#answerEach(batch, error);
      end();
      this.#send();
      return;
    }
    end();
    // What waits goes out within this turn: the database works while the answers are made replies of.
    if (this.#send() && this.#isPatient) await nextTurn();
    give(batch, answers);
  }

  async #asked(batch: readonly Waiting<Question, Answer>[]): Promise<readonly Answer[]> {
    const answers = await this.#ask(batch.map(({ question }) => question));
    if (answers.length !== batch.length) throw new Error(`${batch.length} questions got ${answers.length} answers`);
    return answers;
  }

  /** One question after another, where the statement with all of them was refused. */
  async #answerEach(batch: readonly Waiting<Question, Answer>[], error: unknown): Promise<void> {
    const again = batch.length > 1 && (error instanceof DatabaseError || endingLimit(error) !== null);
    let left = again ? mostEnded : 0;
    for (const one of batch) {
      if (left === 0) reject(one, error);
      else if (await this.#answerOne(one)) left--;
    }
  }

  /** @returns whether a time limit ended it */
  async #answerOne(one: Waiting<Question, Answer>): Promise<boolean> {
    try {
      give([one], await this.#asked([one]));
      return false;
    } catch (error) {
      reject(one, error);
      return endingLimit(error) !== null;
    }
  }
}

type Askers<Answer> = Pick<Waiting<unknown, Answer>, "askers">;

const give = <Answer>(batch: readonly Askers<Answer>[], answers: readonly Answer[]): void => {
  for (const [index, answer] of answers.entries()) {
    for (const { resolve } of batch[index]?.askers ?? []) resolve(answer);
  }
};

const reject = <Answer>({ askers }: Askers<Answer>, error: unknown): void => {
  for (const asker of askers) asker.reject(error);
};
