import { hash } from "node:crypto";
import { Batch, type BatchLimits } from "../database/batch.ts";
import type { Engine } from "../database/engine.ts";
import type { ListQuery } from "../domain/reading/list-query.ts";
import type { Json } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { EntityPlan } from "../plan/plan.ts";
import { inPlace, split, textOf, unexpected } from "./answers.ts";
import { askedWhole, askOf, inTime, type ListAsk } from "./list-question.ts";
import type { PersonalValues } from "./personal-values.ts";
import type { KnownPage, ListedPage, RecordMemory } from "./record-memory.ts";
import type { Who } from "./record-reading.ts";
import { openPages } from "./sealed-records.ts";

/** The same object as before where the page is the same as before. */
export type Page = ListedPage | { readonly outcome: "unauthenticated" | "future" };

/** Lists of the records of one entity. */
export interface RecordPages {
  list(who: Who, query: ListQuery): Promise<Page>;
  /** How many records a list has in all; null where that takes too long to find out. */
  count(who: Who, query: ListQuery): Promise<number | null>;
}

interface Question extends ListAsk {
  readonly who: Who;
  readonly query: ListQuery;
  readonly known: KnownPage | undefined;
}

/** A record of a page. Records that are not those of today have no stamp, so their pages are not kept. */
interface Line {
  readonly id: string;
  readonly stamp: string;
  readonly body: string;
}

interface Parts {
  readonly engine: Engine;
  readonly entity: EntityPlan;
  readonly memory: RecordMemory;
  readonly personal: PersonalValues;
  readonly limits: BatchLimits;
}

/**
 * A page comes in one statement. Where the same list was asked for before, by whomever, the question says what it was
 * then: if the records that the asker may see now are those, in the same states, the database says so and sends nothing.
 */
export function recordPages({ engine, entity, memory, personal, limits }: Parts): RecordPages {
  const { name } = entity;
  const findText = `select place, answer from app.find_${name}($1::text[], $2::text[], $3::text[], $4::text[])`;
  const countText = `select app.count_${name}($1, $2::jsonb, $3)`;
  const batch = new Batch<Question, string>(
    async (questions) => {
      const rows = await inTime(
        engine.run({ name: `find_${name}`, text: findText, writes: false }, [
          questions.map(({ who }) => who),
          questions.map(({ ask }) => ask),
          questions.map(({ values }) => values),
          questions.map(({ known }) => known?.digest ?? null),
        ]),
        questions,
      );
      return inPlace(rows, (answer) => answer);
    },
    limits,
    ({ who, ask, values, known }) => `${who} ${known?.digest} ${values} ${ask}`,
  );
  const asks = new WeakMap<ListQuery, ListAsk>();
  const asksOf = (query: ListQuery): ListAsk => {
    const made = asks.get(query) ?? askOf(query, entity);
    asks.set(query, made);
    return made;
  };

  return {
    async list(who, query) {
      const { ask, values } = asksOf(query);
      const stamped = query.asOf === null && query.deleted === null;
      const list = `${ask} ${values}`;
      const known = stamped ? memory.page(list) : undefined;
      const answer = await batch.ask({ who, query, ask, values, known });
      if (answer === "same" && known !== undefined) return known.page;
      const lines = linesIn(answer, stamped);
      if (typeof lines === "string") return { outcome: lines };
      const page = pageOf(query, lines);
      if (stamped) memory.keepPage(list, { digest: digestOf(lines), page });
      if (query.asOf === null) return page;
      const [opened = page] = await openPages<Page>(personal, name, [page]);
      return opened;
    },
    async count(who, query) {
      const [row] = await inTime(
        engine.run({ name: `count_${name}`, text: countText, writes: false }, [
          who,
          askedWhole({ ...query, after: null }, entity),
          query.count === "estimated",
        ]),
        [{ query }],
      );
      const { word, rest } = split(textOf(row?.[0]));
      if (word === "unauthenticated") throw new Refusal(word);
      if (word !== "counted") throw unexpected(word);
      return rest === "-" ? null : Number(rest);
    },
  };
}

/** @param answer 'listed ' and a line for each record: '<id> <stamp> <json>', or JSON alone where they are not stamped */
function linesIn(answer: string, stamped: boolean): readonly Line[] | "unauthenticated" | "future" {
  const { word, rest } = split(answer);
  if (word === "unauthenticated" || word === "future") return word;
  if (word !== "listed") throw unexpected(answer);
  if (rest === "") return [];
  return rest.split("\n").map((line): Line => {
    if (!stamped) return { id: "", stamp: "", body: line };
    const first = line.indexOf(" ");
    const second = line.indexOf(" ", first + 1);
    return { id: line.slice(0, first), stamp: line.slice(first + 1, second), body: line.slice(second + 1) };
  });
}

/** The same as the database makes of a page's lines without JSON: see `find_…`. */
const digestOf = (lines: readonly Line[]): string =>
  hash("md5", lines.map(({ id, stamp }) => `${id} ${stamp}`).join("\n"));

/** @param lines one more than a page has where there is a next one */
function pageOf({ sort, limit }: ListQuery, lines: readonly Line[]): ListedPage {
  const shown = lines.slice(0, limit);
  const last = lines.length > limit ? shown.at(-1) : undefined;
  const record: Readonly<Record<string, Json | undefined>> = last === undefined ? {} : JSON.parse(last.body);
  const next = last === undefined ? null : sort.map(({ field }) => record[field] ?? null);
  return { outcome: "listed", next, body: `[${shown.map(({ body }) => body).join(",")}]` };
}
