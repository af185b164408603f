import { Batch } from "../database/batch.ts";
import type { Engine } from "../database/engine.ts";
import type { AggregateQuery } from "../domain/reading/aggregate-query.ts";
import type { Json } from "../kernel/json.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import { split, textOf, unexpected } from "./answers.ts";
import type { Who } from "./record-reading.ts";

export interface Groups {
  /** The values of the last group, to go on after; null on the last page. */
  readonly next: readonly Json[] | null;
  /** The groups as the text of a JSON array. */
  readonly body: string;
}

interface OneQuestion {
  readonly who: Who;
  readonly query: AggregateQuery;
}

/** They read many rows, so two at a time leave the other connections to whoever wants one record. */
const limits = { size: 1, lanes: 2, waiting: 100 };

const tooLong = {
  en: "There are too many records to count in time. Narrow them with a filter, or name fewer fields.",
  ru: "Записей слишком много, чтобы посчитать их вовремя. Сузьте их отбором или назовите меньше полей.",
};

/** Groups of records, and what is made of them: of entities alone that allow it. */
export interface AggregatesRepository {
  /** @throws Refusal `unauthenticated`; `overloaded` where there are too many records to count in time */
  ask(entity: string, who: Who, query: AggregateQuery): Promise<Groups>;
}

export function aggregatesRepository(engine: Engine, plan: Plan): AggregatesRepository {
  const entities = new Map(plan.entities.map((entity) => [entity.name, aggregatesOf(engine, entity)]));
  return {
    ask(name, who, query) {
      const ask = entities.get(name);
      if (ask === undefined) throw new Error(`no entity '${name}' in the plan`);
      return ask({ who, query });
    },
  };
}

/** Asks for aggregates of one entity. Equal questions of one caller that wait together are asked once. */
function aggregatesOf(engine: Engine, { name }: EntityPlan): (question: OneQuestion) => Promise<Groups> {
  const statement = { name: `aggregate_${name}`, text: `select app.aggregate_${name}($1, $2::jsonb)`, writes: false };
  const batch = new Batch<OneQuestion, Groups>(
    async (questions) => {
      const asked = questions.map(({ who, query }) => engine.run(statement, [who, askedFor(query)]));
      return (await Promise.all(asked)).map(([row]) => groupsIn(textOf(row?.[0])));
    },
    limits,
    ({ who, query }) => `${who} ${askedFor(query)}`,
  );
  return (question) => batch.ask(question);
}

/** Aggregates as the database's functions take them: see `aggregate_…`. */
function askedFor({ filters, group, measured, limit, after }: AggregateQuery): string {
  const values: Json[] = [0, limit + 1, limit + 1, ...(after ?? group.map(() => null))];
  const placed = filters.map(({ field, op, value }) => [field, op, values.push(value) - 1]);
  const mark = (nth: number) => (after === null ? "first" : after[nth] === null ? "null" : "value");
  const measures = [...new Set(measured.map(({ measure }) => measure))].map((measure) => [
    measure,
    measured.filter((each) => each.measure === measure).map(({ field }) => field),
  ]);
  return JSON.stringify({
    filters: placed,
    sort: [["id", "asc", "first"]],
    groups: group.map((field, nth) => [field, "asc", mark(nth)]),
    measures,
    values,
  });
}

function groupsIn(text: string): Groups {
  const { word, rest } = split(text);
  if (word === "unauthenticated") throw new Refusal(word);
  if (word === "too_long") throw new Refusal("overloaded", { retryAfter: 5, detail: tooLong });
  if (word !== "grouped") throw unexpected(text);
  const end = rest.indexOf("\n");
  const keys = rest.slice(0, end);
  return { next: keys === "-" ? null : JSON.parse(keys), body: rest.slice(end + 1) }; // as the function wrote them
}
