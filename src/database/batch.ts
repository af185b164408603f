import { Refusal } from "../kernel/refusal.ts";
import { DatabaseError } from "./engine.ts";

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchLimits {
  /** Questions in one statement. */
  readonly size: number;
  /** Statements under way at once. */
  readonly lanes: number;
  /** Questions that may wait; one more is refused as `overloaded`. */
  readonly waiting: number;
}

/**
 * Answers questions that wait at the same moment with one statement, first come first served. No timer: a lone
 * question leaves at the end of the turn of the event loop in which it came, and while statements are under way the
 * next batch gathers by itself. A statement that the database refuses is asked again question by question, so one
 * question's failure is its own; it was rolled back whole, so nothing happens twice.
 */
export class Batch<Question, Answer> {
  readonly #ask: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  readonly #limits: BatchLimits;
  #queue: Waiting<Question, Answer>[] = [];
  #underWay = 0;
  #scheduled = false;

  constructor(ask: (questions: readonly Question[]) => Promise<readonly Answer[]>, limits: BatchLimits) {
    this.#ask = ask;
    this.#limits = limits;
  }

  ask(question: Question): Promise<Answer> {
    if (this.#queue.length >= this.#limits.waiting) return Promise.reject(new Refusal("overloaded", { retryAfter: 1 }));
    return new Promise((resolve, reject) => {
      this.#queue.push({ question, resolve, reject });
      if (this.#scheduled || this.#underWay >= this.#limits.lanes) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#send();
      });
    });
  }

  #send(): void {
    while (this.#queue.length > 0 && this.#underWay < this.#limits.lanes) {
      const batch = this.#queue.splice(0, this.#limits.size);
      this.#underWay++;
      void this.#answer(batch).then(() => {
        this.#underWay--;
        this.#send();
      });
    }
  }

  async #answer(batch: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.#ask(batch.map(({ question }) => question));
      if (answers.length !== batch.length) throw new Error(`${batch.length} questions got ${answers.length} answers`);
      for (const [index, answer] of answers.entries()) batch[index]?.resolve(answer);
    } catch (error) {
      if (batch.length > 1 && error instanceof DatabaseError) {
        for (const one of batch) await this.#answer([one]);
      } else {
        for (const { reject } of batch) reject(error);
      }
    }
  }
}
