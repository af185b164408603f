import { LRUCache } from "lru-cache";
import type { Json } from "../kernel/json.ts";

/** A record as JSON text, and the stamp that the database gave with it: see `emit/records/record-stamp.ts`. */
export interface KnownBody {
  readonly stamp: string;
  readonly body: string;
}

/** A page of a list, and the digest of which records it has in which states. */
export interface KnownPage {
  readonly digest: string;
  readonly page: ListedPage;
}

export interface ListedPage {
  readonly outcome: "listed";
  /** The keys to go on after; null on the last page. */
  readonly next: readonly Json[] | null;
  /** The records as the text of a JSON array. */
  readonly body: string;
}

/** Of one entity. */
export interface RecordMemory {
  body(id: string): KnownBody | undefined;
  keepBody(id: string, stamp: string, body: string): void;
  /** The same of records as decisions need them, whoever asks. */
  whole(id: string): KnownBody | undefined;
  keepWhole(id: string, stamp: string, body: string): void;
  /** @param list what was asked for, without who asked */
  page(list: string): KnownPage | undefined;
  keepPage(list: string, known: KnownPage): void;
}

/** Of all entities together: some 15,000 orders. */
const charactersOfBodies = 8_000_000;
const charactersOfPages = 12_000_000;
const mostRecords = 50_000;

/**
 * What the database made text of, as far as it was asked for last. Whether somebody may read a record, and in which
 * state it is, the database says at every read; what need not be made and sent again is the text that belongs to that
 * state. So nothing here is ever out of date, and it is the same for all who are shown the same fields.
 * @param losses how many connections broke so far: behind the next one may be another past of the same database, in
 * which the same transaction wrote something else
 */
export function recordMemory(losses: () => number): (entity: string) => RecordMemory {
  const bodies = new LRUCache<string, KnownBody>({
    max: mostRecords,
    maxSize: charactersOfBodies,
    sizeCalculation: ({ body }) => body.length + 100,
  });
  const pages = new LRUCache<string, KnownPage>({
    maxSize: charactersOfPages,
    // The next layers keep a text of their own with it, or two that are a few times as long where they expand it.
    sizeCalculation: ({ page }, list) => 300 + list.length + 2 * page.body.length,
  });
  let lost = losses();
  const forgetAfterLoss = () => {
    if (losses() === lost) return;
    lost = losses();
    bodies.clear();
    pages.clear();
  };
  const body = (key: string) => {
    forgetAfterLoss();
    return bodies.get(key);
  };
  const keepBody = (key: string, stamp: string, text: string) =>
    void bodies.set(apart(key), { stamp: apart(stamp), body: apart(text) });
  return (entity) => ({
    body: (id) => body(`${entity} ${id}`),
    keepBody: (id, stamp, text) => keepBody(`${entity} ${id}`, stamp, text),
    whole: (id) => body(`whole ${entity} ${id}`),
    keepWhole: (id, stamp, text) => keepBody(`whole ${entity} ${id}`, stamp, text),
    page(list) {
      forgetAfterLoss();
      return pages.get(`${entity} ${list}`);
    },
    keepPage: (list, known) => void pages.set(`${entity} ${list}`, known),
  });
}

/** A text of its own: part of an answer, and what is put together with one, would keep the whole answer in memory. */
const apart = (text: string): string => ` ${text}`.slice(1);

/** For entities whose records are not to stay in memory. */
export const noMemory: RecordMemory = {
  body: () => undefined,
  keepBody: () => {},
  whole: () => undefined,
  keepWhole: () => {},
  page: () => undefined,
  keepPage: () => {},
};
