import fc from "fast-check";
import {
  actorHas,
  actorIs,
  anyOf,
  anyone,
  application,
  boolean,
  crud,
  date,
  decimal,
  email,
  entity,
  instant,
  integer,
  list,
  money,
  object,
  oneOf,
  reference,
  seedId,
  text,
  url,
  uuid,
  workflow,
} from "../../src/index.ts";

const both = { filter: true, sort: true } as const;
const maybe = { filter: true, sort: true, optional: true } as const;

const people = entity(
  "people",
  {
    fields: {
      name: text({ min: 1, ...both }),
      role: oneOf({ values: ["reader", "clerk", "keeper"], setBy: "system", default: "reader" }),
    },
    lifecycle: workflow({ initial: "active", states: { active: { final: true } } }),
    read: anyOf(actorIs("id"), actorHas("clerk", "keeper")),
    singular: "person",
  },
  ({ creates }) => ({ register: creates("PersonRegistered", { by: anyone }) }),
);

const shelves = entity(
  "shelves",
  {
    fields: { label: text(both), keeper_id: reference("people", { filter: true, expand: true }) },
    read: anyOf(actorIs("keeper_id"), actorHas("clerk")),
    singular: "shelf",
  },
  crud({ by: anyone }),
);

/** An entity with every kind of field that lists can ask about, some of them unset, some of them masked. */
const books = entity(
  "books",
  {
    fields: {
      title: text(both),
      note: text(maybe),
      pages: integer(maybe),
      weight: decimal({ ...maybe, places: 3 }),
      price: money({ ...both, setBy: "create" }),
      lent: boolean(maybe),
      bought: instant(maybe),
      printed: date({ ...maybe, setBy: "create" }),
      batch: uuid({ ...maybe, setBy: "create" }),
      size: oneOf({ values: ["s", "m", "l"], ...maybe }),
      contact: email(maybe),
      page: url(maybe),
      tags: list(text(), { filter: true }),
      owner_id: reference("people", { filter: true, expand: true }),
      shelf_id: reference("shelves", { filter: true, optional: true, expand: true }),
      reader_ids: list(reference("people", { expand: true }), { filter: true }),
      rank: integer({ ...both, readBy: anyOf(actorIs("owner_id"), actorHas("keeper")) }),
      secret: integer({ ...both, readBy: actorHas("keeper") }),
      parts: list(object({ name: text(), count: integer() })),
      plain: text({ optional: true }),
    },
    filter: ["created_at", "updated_at"],
    sort: ["created_at"],
    aggregates: {
      group: ["note", "pages", "lent", "printed", "batch", "size", "owner_id", "shelf_id", "rank", "secret"],
      of: {
        pages: ["sum", "avg", "min", "max"],
        weight: ["sum", "avg", "min", "max"],
        price: ["sum", "avg", "min", "max"],
        bought: ["min", "max"],
        printed: ["min", "max"],
        rank: ["sum", "avg"],
        secret: ["sum"],
      },
    },
    read: anyOf(actorIs("owner_id"), actorIs("shelf_id.keeper_id"), actorHas("clerk", "keeper")),
    lint: { accept: { hidden_filter: "what is tested" } },
  },
  crud({ by: anyone }),
);

const person = (name: string) => seedId("people", name);
export const names = ["reader1", "reader2", "reader3", "clerk", "keeper"] as const;
const letters = ["a", "B", "ä", "Ж", "ж", "z", ",", "\\", "%", "_", "'", "𝒳", " "];

/** Fields of `books` that nobody changes after the creation. */
export const lasting = ["price", "printed", "batch"];

/** Records of `books`, the same for the same seed. */
export const bookInputs = (seed: number, count: number) => {
  const unset = <T>(of: fc.Arbitrary<T>) => fc.option(of, { freq: 3, nil: null });
  const words = fc.string({ unit: fc.constantFrom(...letters), maxLength: 4 });
  const people = fc.constantFrom(...names.map(person));
  const few = <T>(of: fc.Arbitrary<T>) => fc.uniqueArray(of, { maxLength: 3 });
  return fc.sample(
    fc.record({
      title: words,
      note: unset(words),
      pages: unset(fc.integer({ min: -3, max: 3 })),
      weight: unset(fc.integer({ min: -2000, max: 2000 }).map((n) => n / 1000)),
      price: fc.integer({ min: 0, max: 5 }).map((n) => n / 2),
      lent: unset(fc.boolean()),
      bought: unset(fc.integer({ min: 0, max: 4 }).map((n) => `2026-01-0${n + 1}T00:00:00.00${n}Z`)),
      printed: unset(fc.integer({ min: 1, max: 5 }).map((n) => `2025-02-0${n}`)),
      batch: unset(fc.constantFrom(...["1", "2", "3"].map((n) => seedId("batches", n)))),
      size: unset(fc.constantFrom("s", "m", "l")),
      contact: unset(fc.constantFrom("Ann@example.com", "ann@EXAMPLE.com", "bob@example.com", "zoë@example.com")),
      page: unset(fc.constantFrom("https://Example.com/A", "https://example.com/b")),
      tags: few(words),
      owner_id: people,
      shelf_id: unset(fc.constantFrom("1", "2").map((n) => seedId("shelves", n))),
      reader_ids: few(people),
      rank: fc.integer({ min: 1, max: 4 }),
      secret: fc.integer({ min: 1, max: 4 }),
      parts: fc.constant([{ name: "cover", count: 2 }]),
      plain: fc.constant("plain"),
    }),
    { numRuns: count, seed },
  );
};

export const library = (seed: number, count: number) =>
  application("library", {
    entities: [people, shelves, books],
    actors: { entity: "people", role: "role", active: ["active"] },
    seed: [
      ...names.map((name) => ({
        entity: "people",
        action: "register",
        id: person(name),
        input: { name },
        decided: { role: name.replace(/\d/, "") },
      })),
      ...["1", "2"].map((n) => ({
        entity: "shelves",
        action: "create",
        id: seedId("shelves", n),
        input: { label: `shelf ${n}`, keeper_id: person(`reader${n}`) },
      })),
      ...bookInputs(seed, count).map((input, nth) => ({
        entity: "books",
        action: "create",
        id: seedId("books", String(nth)),
        input,
      })),
    ],
  });
