import type { PlainSession } from "../../database/plain-session.ts";
import { canonicalJson, type Json, type JsonObject } from "../../kernel/json.ts";
import type { EntityPlan, FieldPlan } from "../../plan/plan.ts";
import { selectFields, selectIds, shownColumns } from "../../repositories/plain-statements.ts";
import type { Asker } from "./cast.ts";
import type { HttpAnswer, HttpClient } from "./http-client.ts";
import { agreed, disagreed, explained, type Verdict } from "./verdict.ts";
import type { World } from "./world.ts";

export interface Compared {
  readonly verdict: Verdict;
  readonly http: string;
  readonly sql: string;
  readonly policy?: string;
}

/** Whom a question is put to: plain SQL, the API, and the policy as it was declared. */
export interface Sides {
  readonly session: PlainSession;
  readonly client: HttpClient;
  readonly world: World;
}

/** One record, asked for by its id: whether it is seen, and every value that is shown. */
export async function compareRead(
  { session, client, world }: Sides,
  entity: EntityPlan,
  who: Asker,
  id: string,
): Promise<Compared> {
  const http = await client.call("GET", `/${entity.name}/${id}`, who.id);
  const columns = shownColumns(entity);
  const answer = await session.ask(who.id, selectFields(entity, columns), [id]);
  if (answer.kind === "refused") return { verdict: disagreed, http: said(http), sql: answer.message };
  const [row] = answer.rows;
  const seen = row === undefined ? "nothing" : row[1] === "true" ? "deleted" : "shown";
  const stored = world.stored(entity.name).find((each) => each.id === id);
  const allowed = stored !== undefined && world.allows(entity.read, who.actor, entity, stored.record);
  const verdict =
    allowed === (seen !== "nothing") ? readVerdict(entity, who, http, seen, columns, String(row?.[0])) : disagreed;
  return { verdict, http: said(http), sql: seen, policy: allowed ? "allows" : "refuses" };
}

function readVerdict(
  entity: EntityPlan,
  who: Asker,
  http: HttpAnswer,
  seen: "nothing" | "deleted" | "shown",
  columns: readonly string[],
  json: string,
): Verdict {
  switch (http.status) {
    case 200:
      if (seen !== "shown") return disagreed;
      // A row as JSON is an object of JSON values.
      return sameValues(entity, columns, http.body as JsonObject, JSON.parse(json) as JsonObject)
        ? agreed("shown")
        : disagreed;
    case 410:
      return seen === "deleted" ? agreed("gone") : disagreed;
    case 404:
      return seen === "nothing" ? agreed("not_found") : disagreed;
    case 401:
      if (seen === "nothing") return agreed("refused to nobody");
      return who.known ? disagreed : explained("a token of nobody reads nothing; in SQL nobody is a visitor");
    default:
      return disagreed;
  }
}

/** The two write moments differently; everything else is the same JSON. */
function sameValues(entity: EntityPlan, columns: readonly string[], shown: JsonObject, row: JsonObject): boolean {
  const moments = ["created_at", "updated_at", ...entity.fields.filter((f) => f.kind === "instant").map((f) => f.name)];
  const form = (name: string, value: Json | undefined): string =>
    moments.includes(name) && typeof value === "string" ? new Date(value).toISOString() : canonicalJson(value ?? null);
  return columns.every((name) => Object.hasOwn(shown, name) && form(name, shown[name]) === form(name, row[name]));
}

/** A field that not every reader of the record may read: the record must not show it to others, and no column may. */
export async function compareMasked(
  { session, client, world }: Sides,
  entity: EntityPlan,
  who: Asker,
  id: string,
  { name, readBy }: FieldPlan,
): Promise<Compared> {
  const http = await client.call("GET", `/${entity.name}/${id}`, who.id);
  const answer = await session.ask(who.id, selectFields(entity, [name]), [id]);
  const shown = http.status === 200 && Object.hasOwn(http.body, name);
  const sql = answer.kind === "refused" ? answer.sqlState : answer.rows.length === 0 ? "nothing" : "shown";
  const stored = world.stored(entity.name).find((each) => each.id === id);
  const allowed = [entity.read, ...(readBy === null ? [] : [readBy])].every(
    (policy) => stored !== undefined && world.allows(policy, who.actor, entity, stored.record),
  );
  const verdict = (): Verdict => {
    if (shown !== (allowed && http.status === 200)) return disagreed;
    if (sql === "shown") return shown ? agreed("shown") : disagreed;
    if (!shown) return agreed("masked");
    return sql === "42501" ? explained("a masked field has no column privilege: functions alone show it") : disagreed;
  };
  const told = `${said(http)}, ${shown ? "shown" : "not shown"}`;
  return { verdict: verdict(), http: told, sql, policy: allowed ? "allows" : "refuses" };
}

/** All records that somebody sees, page by page against one statement. */
export async function compareList(
  { session, client, world }: Sides,
  entity: EntityPlan,
  who: Asker,
): Promise<Compared> {
  const listed: string[] = [];
  let http = await client.call("GET", `/${entity.name}?limit=50`, who.id);
  for (;;) {
    if (http.status !== 200) break;
    // The contract of a list: the records under the entity's name, and `page.next`.
    const { [entity.name]: records, page } = http.body as Readonly<Record<string, unknown>> & {
      readonly page: { readonly next: string | null };
    };
    listed.push(...(records as readonly { readonly id: string | number }[]).map(({ id }) => String(id))); // as above
    if (page.next === null) break;
    http = await client.call("GET", `/${entity.name}?limit=50&cursor=${page.next}`, who.id);
  }
  const answer = await session.ask(who.id, selectIds(entity, true));
  if (answer.kind === "refused") return { verdict: disagreed, http: said(http), sql: answer.message };
  const ids = answer.rows.map(([id]) => String(id));
  const allowed = world
    .stored(entity.name)
    .filter(({ deleted, record }) => !deleted && world.allows(entity.read, who.actor, entity, record));
  const verdict = (): Verdict => {
    if (allowed.length !== ids.length || !allowed.every(({ id }) => ids.includes(id))) return disagreed;
    if (http.status === 401) {
      if (ids.length === 0) return agreed("refused to nobody");
      return who.known ? disagreed : explained("a token of nobody reads nothing; in SQL nobody is a visitor");
    }
    return http.status === 200 && ids.join() === listed.join() ? agreed("listed") : disagreed;
  };
  return {
    verdict: verdict(),
    http: `${said(http)}, ${listed.length} records`,
    sql: `${ids.length} rows`,
    policy: `allows ${allowed.length}`,
  };
}

export const said = ({ status, code }: HttpAnswer): string => (code === "" ? String(status) : `${status} ${code}`);
