import type pg from "pg";
import type { Random } from "../../src/testing/agreement/random.ts";
import type { TestApplication } from "./running-application.ts";
import { group, hostileTexts, names, person } from "./studio.ts";

/** Whoever asks; null is a visitor. */
export const askers: readonly (string | null)[] = [...names, null];

export type StudioRecord = Readonly<Record<string, unknown>> & { readonly id: string | number };

export interface AskedList {
  readonly entity: "people" | "groups" | "topics" | "posts";
  readonly path: string;
  readonly who: string | null;
  /** What each record must meet, as far as it is shown whole. */
  readonly meets: (record: StudioRecord) => boolean;
  readonly sort: readonly string[];
}

export function chosen<T>(random: Random, values: readonly T[]): T {
  const value = random.oneOf(values);
  if (value === undefined) throw new Error("nothing to choose from");
  return value;
}

interface Asked {
  readonly parameter: string;
  readonly value: string;
  readonly meets: (record: StudioRecord) => boolean;
}

const expansions = {
  people: [],
  groups: ["lead"],
  topics: ["group", "group.lead"],
  posts: ["topic", "author", "topic,author", "topic.group", "topic.group,author", "author,topic"],
} as const;
const sorts = {
  people: ["name", "-name"],
  groups: ["title", "-title,id", "budget", "-budget"],
  topics: ["title", "-title"],
  posts: ["rank", "-rank", "body,-rank", "created_at", "-created_at"],
} as const;
const fields = {
  people: "id,name",
  groups: "id,title,version",
  topics: "group_id,title",
  posts: "id,rank,body",
} as const;

const after = (left: unknown, right: string) => Buffer.compare(Buffer.from(String(left)), Buffer.from(right));
const shown = (record: StudioRecord, field: string, meets: (value: unknown) => boolean) =>
  Object.hasOwn(record, field) && meets(record[field]);

/** Filters on what writers change. */
function filterOf(random: Random, entity: AskedList["entity"]): Asked {
  const text = chosen(random, hostileTexts);
  const small = random.below(6);
  const someone = person(chosen(random, names));
  const somewhere = group(random.below(6));
  const topic = random.below(12) + 1;
  const options: Readonly<Record<AskedList["entity"], readonly Asked[]>> = {
    people: [{ parameter: "name[gte]", value: "e", meets: (r) => shown(r, "name", (v) => after(v, "e") >= 0) }],
    groups: [
      { parameter: "title", value: text, meets: ({ title }) => title === text },
      { parameter: "lead_id", value: someone, meets: ({ lead_id }) => lead_id === someone },
      { parameter: "budget[lte]", value: `${small}`, meets: (r) => shown(r, "budget", (v) => Number(v) <= small) },
      { parameter: "budget", value: `${small}`, meets: (r) => shown(r, "budget", (v) => v === small) },
    ],
    topics: [
      { parameter: "group_id", value: somewhere, meets: ({ group_id }) => group_id === somewhere },
      { parameter: "title[gt]", value: text, meets: ({ title }) => after(title, text) > 0 },
    ],
    posts: [
      { parameter: "status", value: "published", meets: ({ status }) => status === "published" },
      { parameter: "rank[gte]", value: `${small}`, meets: ({ rank }) => Number(rank) >= small },
      { parameter: "rank", value: `${small}`, meets: ({ rank }) => rank === small },
      { parameter: "body[ne]", value: text, meets: ({ body }) => body !== text },
      { parameter: "topic_id", value: `${topic}`, meets: ({ topic_id }) => topic_id === topic },
      { parameter: "author_id", value: someone, meets: ({ author_id }) => author_id === someone },
    ],
  };
  return chosen(random, options[entity]);
}

/** A list, and most of the time one of few: the same ones have to be asked again and again to be remembered. */
export function listOf(random: Random): AskedList {
  const entity = chosen(random, ["groups", "topics", "posts", "posts", "people"] as const);
  const asked = new Map<string, string>();
  const filters = Array.from({ length: random.below(3) }, () => filterOf(random, entity));
  const used = filters.filter(
    ({ parameter }, nth) => filters.findIndex((each) => each.parameter === parameter) === nth,
  );
  for (const { parameter, value } of used) asked.set(parameter, value);
  const sort = random.chance(0.6) ? chosen(random, sorts[entity]) : "";
  if (sort !== "") asked.set("sort", sort);
  if (random.chance(0.5)) asked.set("limit", chosen(random, ["1", "3", "100", "1000"]));
  if (random.chance(0.2)) asked.set("skip", chosen(random, ["0", "2", "50"]));
  if (random.chance(0.1)) asked.set("count", "exact");
  const kinds = expansions[entity];
  if (kinds.length > 0 && random.chance(0.5)) asked.set("expand", chosen<string>(random, kinds));
  const cut = !asked.has("expand") && random.chance(0.15);
  if (cut) asked.set("fields", fields[entity]);
  const parts = [...asked];
  if (random.chance(0.3)) parts.reverse();
  const query = new URLSearchParams(parts).toString();
  return {
    entity,
    path: `/${entity}${query === "" ? "" : `?${query}`}`,
    who: chosen(random, askers),
    meets: (record) => cut || used.every(({ meets }) => meets(record)),
    sort: cut || sort === "" ? [] : sort.split(","),
  };
}

/** Whether one record may stand before the other in such an order. */
export function inOrder(sort: readonly string[], first: StudioRecord, second: StudioRecord): boolean {
  for (const key of sort) {
    const field = key.replace("-", "");
    const [a, b] = [first[field] ?? null, second[field] ?? null];
    if (a === b) continue;
    const ascending = !key.startsWith("-");
    if (a === null || b === null) return (b === null) === ascending;
    const order = typeof a === "number" ? a - Number(b) : after(a, String(b));
    if (order !== 0) return order < 0 === ascending;
  }
  return true;
}

/** One change through the application, or by hand behind its back: a refusal is an outcome too. */
export async function write(random: Random, app: TestApplication, superuser: pg.Client, known: readonly string[]) {
  const text = chosen(random, hostileTexts);
  const someone = person(chosen(random, names));
  const topic = random.below(12) + 1;
  const somewhere = group(random.below(6));
  const post = chosen(random, known);
  const byHand = async (statement: string, values: readonly unknown[], triggers: boolean) => {
    await superuser.query("begin");
    await superuser.query(`set local session_replication_role = ${triggers ? "origin" : "replica"}`);
    await superuser.query(statement, [...values]);
    await superuser.query("commit");
  };
  const call = (method: string, path: string, body?: object) => app.call(method, path, null, body);
  const acts: readonly (() => Promise<unknown>)[] = [
    () => call("POST", "/posts", { topic_id: topic, author_id: someone, body: text, rank: random.below(7) }),
    () => call("PATCH", `/posts/${post}`, { rank: random.below(7) }),
    () => call("PATCH", `/posts/${post}`, { body: text, author_id: someone, topic_id: topic }),
    () => call("POST", `/posts/${post}/publish`, {}),
    () => call("POST", `/posts/${post}/withdraw`, {}),
    () => call("DELETE", `/posts/${post}`),
    () => call("POST", `/posts/${post}/restore`, {}),
    () => call("PATCH", `/topics/${topic}`, { title: text, hint: random.chance(0.3) ? null : text }),
    () => call("PATCH", `/topics/${topic}`, { group_id: somewhere }),
    () => call("DELETE", `/topics/${topic}`),
    () => call("POST", `/topics/${topic}/restore`, {}),
    () => call("PATCH", `/groups/${somewhere}`, { title: text, budget: random.below(6) }),
    () => call("PATCH", `/groups/${somewhere}`, { lead_id: someone, member_ids: random.some(names).map(person) }),
    () =>
      call(
        random.chance(0.3) ? "DELETE" : "POST",
        random.chance(0.5) ? `/groups/${somewhere}` : `/groups/${somewhere}/restore`,
        {},
      ),
    () => call("POST", `/groups/${somewhere}/restore`, {}),
    () => byHand("update app.posts set body = $2, rank = $3 where id = $1", [post, text, random.below(7)], false),
    () => byHand("update app.posts set body = $2, rank = $3 where id = $1", [post, text, random.below(7)], true),
    () => byHand("update app.groups set title = $2 where id = $1", [somewhere, text], false),
    () => byHand("update app.topics set hint = $2 where id = $1", [topic, text], false),
    () =>
      byHand("update app.groups set member_ids = $2 where id = $1", [somewhere, random.some(names).map(person)], false),
    () =>
      byHand(
        "update app.people set role = $2 where id = $1",
        [someone, chosen(random, ["guest", "editor", "chief"])],
        false,
      ),
    () =>
      byHand(
        "update app.people set status = $2 where id = $1",
        [someone, chosen(random, ["active", "active", "active", "retired"])],
        false,
      ),
    () =>
      byHand(
        "update app.posts set deleted_at = case when deleted_at is null then now() end where id = $1",
        [post],
        false,
      ),
  ];
  await chosen(random, acts)();
}
