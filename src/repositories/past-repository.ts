import { Batch, limitsOn } from "../database/batch.ts";
import type { Engine } from "../database/engine.ts";
import type { StoredEvent } from "../domain/history.ts";
import type { PointInTime } from "../domain/reading/moment.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import { inPlace, split, unexpected } from "./answers.ts";
import { type AsideRow, type PersonalValues, personalValues } from "./personal-values.ts";
import { parseShown, type Shown, type Who } from "./record-reading.ts";
import { type EventRow, storedEvent } from "./stored-event.ts";
import { schemaKeys } from "./subject-keys/schema-keys.ts";

/** Which part of a stream is wanted. */
export interface HistoryPage {
  readonly newestFirst: boolean;
  /** The version to go on from, or null. */
  readonly beyond: number | null;
  readonly skip: number;
  readonly limit: number;
}

export type Past = Shown | { readonly outcome: "future" };

export type HistorySlice =
  | {
      readonly outcome: "found";
      /** The fields that the asker may not read. */
      readonly masked: readonly string[];
      /** The values before the first event of the slice. */
      readonly before: JsonObject;
      /** Oldest first, one more than the page's limit where there are more. */
      readonly events: readonly StoredEvent[];
    }
  | { readonly outcome: "not_found" | "unauthenticated" };

/** What records were, and what happened to them: with the rights that the asker has today. */
export interface PastRepository {
  at(entity: string, who: Who, id: string, point: PointInTime): Promise<Past>;
  /** Records by their ids at one moment, in one statement, each answered in its place. */
  allAt(entity: string, who: Who, ids: readonly string[], moment: string): Promise<readonly Past[]>;
  history(entity: string, who: Who, id: string, page: HistoryPage): Promise<HistorySlice>;
}

const usualLimits = { size: 32, lanes: 2, waiting: 1000 };

interface OnePast {
  readonly who: Who;
  readonly id: string;
  readonly point: PointInTime;
}

interface OneHistory {
  readonly who: Who;
  readonly id: string;
  readonly page: HistoryPage;
}

export function pastRepository(engine: Engine, plan: Plan, keys = schemaKeys(engine)): PastRepository {
  const personal = personalValues(plan, keys);
  const entities = new Map(plan.entities.map((entity) => [entity.name, ofEntity(engine, entity, personal)]));
  const of = (name: string) => {
    const entity = entities.get(name);
    if (entity === undefined) throw new Error(`no entity '${name}' in the plan`);
    return entity;
  };
  return {
    at: (entity, who, id, point) => of(entity).at.ask({ who, id, point }),
    allAt: (entity, who, ids, moment) =>
      of(entity).answerAt(ids.map((id) => ({ who, id, point: { moment, version: null } }))),
    history: (entity, who, id, page) => of(entity).history.ask({ who, id, page }),
  };
}

function ofEntity(engine: Engine, { name, id }: EntityPlan, personal: PersonalValues) {
  const idType = id === "serial" ? "bigint" : "uuid";
  const pastText = `select place, answer from app.past_${name}($1::text[], $2::${idType}[], $3::timestamptz[], $4::integer[])`;
  const historyText =
    `select place, answer from app.history_${name}` +
    `($1::text[], $2::${idType}[], $3::boolean[], $4::integer[], $5::integer[], $6::integer[])`;
  const answerAt = async (questions: readonly OnePast[]): Promise<readonly Past[]> => {
    const rows = await engine.run({ name: `past_${name}`, text: pastText, writes: false }, [
      questions.map(({ who }) => who),
      questions.map((question) => question.id),
      questions.map(({ point }) => point.moment),
      questions.map(({ point }) => point.version),
    ]);
    const answers = inPlace<Past>(rows, (text) => (text === "future" ? { outcome: text } : parseShown(text)));
    const shown = answers.filter((answer) => answer.outcome === "found");
    const bodies = await personal.openTexts(
      name,
      shown.map(({ body }) => body),
    );
    return answers.map((answer) =>
      answer.outcome === "found" ? { ...answer, body: bodies[shown.indexOf(answer)] ?? answer.body } : answer,
    );
  };
  const limits = limitsOn(engine, usualLimits);
  return {
    answerAt,
    at: new Batch<OnePast, Past>(answerAt, limits),
    history: new Batch<OneHistory, HistorySlice>(async (questions) => {
      const rows = await engine.run({ name: `history_${name}`, text: historyText, writes: false }, [
        questions.map(({ who }) => who),
        questions.map((question) => question.id),
        questions.map(({ page }) => page.newestFirst),
        questions.map(({ page }) => page.beyond),
        questions.map(({ page }) => page.skip),
        questions.map(({ page }) => page.limit + 1),
      ]);
      const found = inPlace(rows, parseHistory);
      const slices = await personal.openEvents(
        name,
        found.map((answer, index) => ({ stream: questions[index]?.id ?? "", ...sliceOf(answer) })),
      );
      return found.map((answer, index): HistorySlice => {
        if (answer.outcome !== "found") return answer;
        const { before = {}, rows: events = [], erased } = slices[index] ?? {};
        return {
          outcome: answer.outcome,
          masked: answer.masked,
          before,
          events: events.map((row) => storedEvent(row, erased)),
        };
      });
    }, limits),
  };
}

/** A slice as the database told it. */
interface ToldSlice {
  readonly before: JsonObject | null;
  readonly events: readonly EventRow[] | null;
}
type Told =
  | {
      readonly outcome: "found";
      readonly masked: readonly string[];
      readonly slice: ToldSlice;
      readonly aside: readonly AsideRow[];
    }
  | { readonly outcome: "not_found" | "unauthenticated" };

const sliceOf = (told: Told) =>
  told.outcome === "found"
    ? { before: told.slice.before ?? {}, rows: told.slice.events ?? [], aside: told.aside }
    : { before: {}, rows: [], aside: [] };

function parseHistory(text: string): Told {
  const { word, rest } = split(text);
  if (word === "not_found" || word === "unauthenticated") return { outcome: word };
  const slash = rest.indexOf("/");
  if (word !== "found" || slash < 0) throw unexpected(text);
  const masked = rest.slice(0, slash);
  // `gesta.history` built this JSON, and `history_…` puts what was put aside beside it where fields are personal.
  const told = JSON.parse(rest.slice(slash + 1)) as
    | ToldSlice
    | { readonly slice: ToldSlice; readonly aside: readonly AsideRow[] | null };
  const { slice, aside } = "slice" in told ? told : { slice: told, aside: null };
  return { outcome: word, masked: masked === "" ? [] : masked.split(","), slice, aside: aside ?? [] };
}
