import { Refusal } from "../kernel/refusal.ts";
import { DatabaseError, type Engine, endingLimit } from "./engine.ts";

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

export interface BatchLimits {
  /** Questions in one statement. */
  readonly size: number;
  /** Statements under way at once. */
  readonly lanes: number;
  /** Questions that may wait; one more is refused as `overloaded`. */
  readonly waiting: number;
  /** No question waits for another one, nor joins it. */
  readonly alone?: true;
}

/** Questions of one batch that may each take as long as a statement may, one after another. */
const mostEnded = 2;

/** The limits on an engine: one that is `unbatched` is asked each question by itself, at once. */
export const limitsOn = ({ unbatched }: Engine, limits: BatchLimits): BatchLimits =>
  unbatched ? { ...limits, alone: true } : limits;

/**
 * Answers questions that wait at the same moment with one statement, first come first served. No timer: a lone
 * question leaves at the end of the turn of the event loop in which it came, and while statements are under way the
 * next batch gathers by itself. A statement that the database refuses is asked again question by question, so one
 * question's failure is its own; it was rolled back whole, so nothing happens twice. So is one that took too long; after
 * the second of a batch that does by itself, the rest are not tried any more, or a lane would be taken up for minutes.
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
  #askers = 0;
  #queue: Waiting<Question, Answer>[] = [];
  #underWay = 0;
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
  }

  ask(question: Question): Promise<Answer> {
    if (this.#askers >= this.#limits.waiting) return Promise.reject(new Refusal("overloaded", { retryAfter: 1 }));
    return new Promise((resolve, reject) => {
      this.#askers++;
      if (this.#limits.alone) {
        void this.#answer([{ question, key: null, askers: [{ resolve, reject }] }]).then(() => this.#askers--);
        return;
      }
      if (this.#joins(question, { resolve, reject })) return;
      if (this.#scheduled || this.#underWay >= this.#limits.lanes) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#send();
      });
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

  #send(): void {
    while (this.#queue.length > 0 && this.#underWay < this.#limits.lanes) {
      const batch = this.#queue.splice(0, this.#limits.size);
      for (const { key, askers } of batch) {
        this.#askers -= askers.length;
        if (key !== null) this.#waiting.delete(key);
      }
      this.#underWay++;
      void this.#answer(batch).then(() => {
        this.#underWay--;
        this.#send();
      });
    }
  }

  /** @returns whether a time limit ended it */
  async #answer(batch: readonly Waiting<Question, Answer>[]): Promise<boolean> {
    try {
      const answers = await this.#ask(batch.map(({ question }) => question));
      if (answers.length !== batch.length) throw new Error(`${batch.length} questions got ${answers.length} answers`);
      for (const [index, answer] of answers.entries()) {
        for (const { resolve } of batch[index]?.askers ?? []) resolve(answer);
      }
      return false;
    } catch (error) {
      if (batch.length > 1 && (error instanceof DatabaseError || endingLimit(error) !== null)) {
        let ended = 0;
        for (const one of batch) {
          if (ended >= mostEnded) reject(one, error);
          else if (await this.#answer([one])) ended++;
        }
      } else {
        for (const one of batch) reject(one, error);
      }
      return endingLimit(error) !== null;
    }
  }
}

const reject = <Answer>({ askers }: Pick<Waiting<unknown, Answer>, "askers">, error: unknown): void => {
  for (const asker of askers) asker.reject(error);
};
