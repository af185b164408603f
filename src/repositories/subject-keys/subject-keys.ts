import type { DestroyedSubject } from "../../kernel/destroyed-subjects.ts";

/**
 * Where the keys of personal data live: apart from the data. A key is asked for each time it is needed and kept by
 * nobody, so one that is destroyed is gone in every process at once.
 */
export interface SubjectKeys {
  /** The keys of subjects, each in its place; null for one that has none, or none any more. */
  keysOf(subjects: readonly string[]): Promise<readonly (Buffer | null)[]>;
  /**
   * Makes the key of a new subject durable before anything is sealed with it.
   * @returns whether that is done; otherwise the key goes along with the command and is kept in its transaction
   */
  keep(subject: string, key: Buffer): Promise<boolean>;
  /** Forgets a key that nothing was sealed with after all. */
  discard(subject: string): Promise<void>;
  /** Destroys the key of a subject that was purged in the database. Twice is as good as once. */
  destroy(subject: DestroyedSubject): Promise<void>;
  /** The subjects that a database restored from an older backup may still know: kept apart from it, or none. */
  destroyed(): Promise<readonly DestroyedSubject[]>;
}
