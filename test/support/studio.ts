import {
  actorHas,
  actorIn,
  actorIs,
  anyOf,
  anyone,
  application,
  crud,
  entity,
  integer,
  list,
  oneOf,
  reference,
  seedId,
  signedIn,
  text,
  workflow,
} from "../../src/index.ts";

const both = { filter: true, sort: true } as const;

const people = entity(
  "people",
  {
    fields: {
      name: text({ min: 1, ...both }),
      role: oneOf({ values: ["guest", "editor", "chief"], setBy: "system", default: "guest" }),
    },
    lifecycle: workflow({
      initial: "active",
      states: { active: { on: { retire: "retired" } }, retired: { final: true } },
    }),
    read: signedIn,
    singular: "person",
  },
  ({ creates, moves }) => ({
    register: creates("PersonRegistered", { by: anyone }),
    retire: moves("PersonRetired", { by: anyone }),
  }),
);

/** Two fields that others see than those who see the rest. */
const groups = entity(
  "groups",
  {
    fields: {
      title: text(both),
      about: text(),
      lead_id: reference("people", { filter: true, expand: true }),
      member_ids: list(reference("people"), { max: 10, readBy: anyOf(actorIn("member_ids"), actorHas("chief")) }),
      budget: integer({ ...both, readBy: anyOf(actorIs("lead_id"), actorHas("chief")) }),
    },
    read: anyone,
    lint: { accept: { hidden_filter: "what is tested", open_write: "what is tested" } },
  },
  crud({ by: anyone }),
);

/** Who sees the hint, another record decides. */
const topics = entity(
  "topics",
  {
    id: "serial",
    fields: {
      group_id: reference("groups", { filter: true, expand: true, onDelete: "cascade" }),
      title: text(both),
      hint: text({ optional: true, readBy: actorIn("group_id.member_ids") }),
    },
    read: anyone,
    lint: { accept: { open_write: "what is tested" } },
  },
  crud({ by: anyone }),
);

const posts = entity(
  "posts",
  {
    fields: {
      topic_id: reference("topics", { filter: true, expand: true, onDelete: "cascade" }),
      author_id: reference("people", { filter: true, expand: true }),
      body: text(both),
      rank: integer(both),
    },
    lifecycle: workflow({
      initial: "draft",
      states: { draft: { on: { publish: "published" } }, published: { on: { withdraw: "draft" } } },
    }),
    filter: ["status", "created_at"],
    sort: ["created_at"],
    read: anyOf(actorIs("author_id"), actorHas("editor", "chief")),
    lint: { accept: { open_write: "what is tested" } },
  },
  ({ creates, updates, moves, deletes }) => ({
    create: creates("PostCreated", { by: anyone }),
    update: updates("PostUpdated", { by: anyone }),
    publish: moves("PostPublished", { by: anyone }),
    withdraw: moves("PostWithdrawn", { by: anyone }),
    delete: deletes("PostDeleted", { by: anyone }),
  }),
);

export const names = ["guest1", "guest2", "guest3", "editor", "chief"] as const;
export const person = (name: string): string => seedId("people", name);
export const group = (nth: number): string => seedId("groups", String(nth));
export const post = (nth: number): string => seedId("posts", String(nth));

/** Texts that look like what stands around them, and characters that end lines elsewhere. */
export const hostileTexts = [
  "line\nbreak\r\nand another",
  'quote " and ,"topic_id":7,"group_id":"x"',
  '{"author_id":"01900000-0000-7000-8000-000000000000"}',
  "a\u2028b\u2029c\u0085d",
  "Съешь ещё этих мягких французских булок",
  " begins and ends with a space ",
  "back\\slash \\n \\u2028 ,",
  "tab\t, bell\u0007, delete\u007f",
  "𝒳 😀 e\u0301",
  "listed 1 2 3",
  "plain",
  "",
];

const of = <T>(values: readonly T[], nth: number): T => {
  const value = values[nth % values.length];
  if (value === undefined) throw new Error("nothing to choose from");
  return value;
};

/** Groups with topics in them, and posts in these; every text of them hostile. */
export const studio = application("studio", {
  entities: [people, groups, topics, posts],
  actors: { entity: "people", role: "role", active: ["active"] },
  seed: [
    ...names.map((name) => ({
      entity: "people",
      action: "register",
      id: person(name),
      input: { name },
      decided: { role: name.replace(/\d/, "") },
    })),
    ...Array.from({ length: 6 }, (_, nth) => ({
      entity: "groups",
      action: "create",
      id: group(nth),
      input: {
        title: of(hostileTexts, nth),
        about: of(hostileTexts, nth + 5),
        lead_id: person(of(names, nth)),
        member_ids: [person(of(names, nth)), person(of(names, nth + 1))],
        budget: nth % 4,
      },
    })),
    ...Array.from({ length: 12 }, (_, nth) => ({
      entity: "topics",
      action: "create",
      id: String(nth + 1),
      input: {
        group_id: group(nth % 6),
        title: of(hostileTexts, nth),
        hint: nth % 3 === 0 ? null : of(hostileTexts, nth),
      },
    })),
    ...Array.from({ length: 60 }, (_, nth) => ({
      entity: "posts",
      action: "create",
      id: post(nth),
      input: {
        topic_id: (nth % 12) + 1,
        author_id: person(of(names, nth)),
        body: of(hostileTexts, nth),
        rank: nth % 7,
      },
    })),
  ],
});
