export interface LaneLimits {
  /** Statements under way at once. */
  readonly lanes: number;
  /**
   * Milliseconds for which a statement has the database to itself: until then the questions that come gather for the
   * next one. Absent where no statement waits for another one.
   */
  readonly patience?: number;
}

/** Statements under way: whether another one may leave. */
export class Lanes {
  readonly #limits: LaneLimits;
  readonly #freed: () => void;
  #underWay = 0;
  /** Of those under way, the ones that are still waited for. */
  #prompt = 0;

  /** @param freed called when a statement has taken so long that another one may leave beside it */
  constructor(limits: LaneLimits, freed: () => void) {
    this.#limits = limits;
    this.#freed = freed;
  }

  get isFree(): boolean {
    const { lanes, patience } = this.#limits;
    return this.#underWay < lanes && (patience === undefined || this.#prompt === 0);
  }

  /** Counts a statement that leaves, until what this returns is called. */
  begin(): () => void {
    const { patience } = this.#limits;
    let prompt = true;
    const waitedFor = (): void => {
      if (prompt) this.#prompt--;
      prompt = false;
    };
    const late = (): void => {
      waitedFor();
      this.#freed();
    };
    this.#underWay++;
    this.#prompt++;
    const timer = patience === undefined ? undefined : setTimeout(late, patience);
    return () => {
      clearTimeout(timer);
      waitedFor();
      this.#underWay--;
    };
  }
}
