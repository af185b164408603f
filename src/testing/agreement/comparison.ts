import type { PlainSession } from "../../database/plain-session.ts";
import type { JsonObject } from "../../kernel/json.ts";
import { offeredActions } from "../../plan/audience.ts";
import type { ActionPlan, EntityPlan, Plan } from "../../plan/plan.ts";
import { writtenActions } from "../../plan/undo-rules.ts";
import { directWrites } from "../../repositories/plain-statements.ts";
import type { RecordsRepository, Written } from "../../repositories/records-repository.ts";
import { attemptOf } from "./attempt.ts";
import { type Asker, nextAsker } from "./cast.ts";
import type { HttpClient } from "./http-client.ts";
import type { Random } from "./random.ts";
import { type Compared, compareList, compareMasked, compareRead, type Sides, said } from "./read-cases.ts";
import { agreed, compareAction, compareUnoffered, disagreed } from "./verdict.ts";
import type { StoredRecord, World } from "./world.ts";

interface Parts {
  readonly plan: Plan;
  readonly session: PlainSession;
  readonly records: RecordsRepository;
  readonly world: World;
  readonly client: HttpClient;
  readonly random: Random;
}

/** One question: whom, about what. */
interface Question extends Compared {
  readonly kind: string;
  readonly what: string;
  readonly who: Asker;
  readonly record: string | null;
}

const mostReported = 100;

/** Asks both sides, one question after another, and keeps count. */
export class Comparison {
  readonly #parts: Parts;
  /** The sown users: they are not deactivated, or soon nobody would be left to ask. */
  readonly #cast: ReadonlySet<string>;
  readonly #cases = new Map<string, number>();
  readonly #agreed = new Map<string, number>();
  readonly #explained = new Map<string, number>();
  readonly #disagreements: Question[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#cast = new Set(parts.world.stored(parts.plan.actors?.entity ?? "").map(({ id }) => id));
  }

  async run(cases: number): Promise<void> {
    for (let asked = 0; asked < cases; asked++) this.#note(await this.#next());
  }

  outcome() {
    return {
      cases: Object.fromEntries(this.#cases),
      agreed: Object.fromEntries(this.#agreed),
      explained: Object.fromEntries(this.#explained),
      disagreements: this.#disagreements.map(({ what, who, record, http, sql, policy = "" }) => ({
        what,
        who: who.name,
        record,
        http,
        sql,
        policy,
      })),
    };
  }

  #note(question: Question): void {
    const { kind, verdict } = question;
    count(this.#cases, kind);
    if (verdict.kind === "agreed") count(this.#agreed, `${kind}: ${verdict.on}`);
    else if (verdict.kind === "explained") count(this.#explained, verdict.by);
    else if (this.#disagreements.length < mostReported) this.#disagreements.push(question);
  }

  async #next(): Promise<Question> {
    const { plan, random, session, client, world } = this.#parts;
    const users = world.stored(plan.actors?.entity ?? "").map(({ record }) => record);
    const who = nextAsker(plan, users, random);
    const entity = random.oneOf(plan.entities);
    if (entity === undefined) throw new Error("an application without entities has nothing to agree on");
    const id = this.#someId(entity);
    const asked = { who, record: id };
    const sides: Sides = { session, client, world };
    const masked = random.oneOf(entity.fields.filter(({ readBy }) => readBy !== null));
    const kind = random.below(100);
    if (kind < 40) {
      const compared = await compareRead(sides, entity, who, id);
      return { kind: "read", what: `GET /${entity.name}/{id}`, ...asked, ...compared };
    }
    if (kind < 45) {
      const compared = await compareList(sides, entity, who);
      return { kind: "list", what: `GET /${entity.name}`, who, record: null, ...compared };
    }
    if (kind < 52 && masked !== undefined) {
      const compared = await compareMasked(sides, entity, who, id, masked);
      return { kind: "masked", what: `${entity.name}.${masked.name}`, ...asked, ...compared };
    }
    const action = random.oneOf(writtenActions(entity.actions));
    if (kind < 62 || action === undefined) return this.#direct(entity, who);
    return kind < 75 ? this.#foreignField(entity, action, who) : this.#act(entity, action, who);
  }

  /** Rows and events changed past the actions: refused to everybody. */
  async #direct(entity: EntityPlan, who: Asker): Promise<Question> {
    const { random, session } = this.#parts;
    const what = random.oneOf(directWrites(entity)) ?? "";
    const answer = await session.ask(random.chance(0.2) ? "system" : who.id, what);
    const sql = answer.kind === "refused" ? answer.sqlState : "done";
    const verdict = sql === "42501" ? agreed("refused to everybody") : disagreed;
    return { kind: "direct", what, who, record: null, http: "no such request", sql, verdict };
  }

  async #act(entity: EntityPlan, action: ActionPlan, who: Asker): Promise<Question> {
    const { records, client, world } = this.#parts;
    const { attempt, target } = this.#attempt(entity, action, who);
    const written = await records.write(entity.name, attempt.command);
    const what = `${attempt.method} /${entity.name}${action.path} ${JSON.stringify(attempt.command.set)}`;
    const asked = { kind: "action", what, who, record: target?.id ?? null };
    if (written.outcome === "done" && this.#isCast(entity, action, target)) {
      return { ...asked, http: "not asked", sql: "done", verdict: agreed("not done to a sown user") };
    }
    const http = await client.call(attempt.method, attempt.path, who.id, attempt.body);
    if (http.status < 300)
      await (action.affects ? world.look() : world.lookAt(entity, String(http.body.id ?? target?.id)));
    const verdict = offeredActions(entity).includes(action)
      ? compareAction(who, http, written)
      : compareUnoffered(http, written);
    return { ...asked, http: `${said(http)} ${JSON.stringify(http.body.errors ?? "")}`, sql: told(written), verdict };
  }

  /** A value for a field that the action does not set: refused, whoever asks. */
  async #foreignField(entity: EntityPlan, action: ActionPlan, who: Asker): Promise<Question> {
    const { random, records, client } = this.#parts;
    const { attempt, target, model } = this.#attempt(entity, action, who);
    const names = ["id", "version", "created_at", "deleted_at", ...entity.fields.map(({ name }) => name)];
    const taken = [...action.sets, ...action.input.map(({ name }) => name)];
    const undecided = entity.fields.filter(({ setBy }) => setBy === "system" && action.kind === "create");
    const name =
      random.oneOf([...names.filter((each) => !taken.includes(each)), ...undecided.map((field) => field.name)]) ?? "id";
    const field = entity.fields.find((each) => each.name === name);
    const other = field?.values.find((value) => value !== field.default && value !== target?.record[name]);
    const value = other ?? (typeof model[name] === "number" ? 987_654 : "2020-01-01T00:00:00.000Z");
    const written = await records.write(entity.name, {
      ...attempt.command,
      set: { ...attempt.command.set, [name]: value },
    });
    const http = await client.call(attempt.method, attempt.path, who.id, { ...attempt.body, [name]: value });
    const refusedBySql = written.outcome !== "done" && written.outcome !== "failed";
    const what = `${attempt.method} /${entity.name}${action.path} with ${name}`;
    const decides = action.decides && taken.includes(name) && http.status === 422;
    return {
      kind: "field",
      what,
      who,
      record: target?.id ?? null,
      http: said(http),
      sql: told(written),
      verdict:
        http.status >= 400 && http.status < 500 && refusedBySql
          ? agreed("refused to everybody")
          : decides && written.outcome === "done"
            ? { kind: "explained", by: "what decide() computes only decide() knows" }
            : disagreed,
    };
  }

  #attempt(entity: EntityPlan, action: ActionPlan, who: Asker) {
    const { random, world } = this.#parts;
    const stored = world.stored(entity.name);
    const id = this.#someId(entity);
    const target = action.kind === "create" ? null : (stored.find((each) => each.id === id) ?? null);
    const living = stored.filter(({ deleted }) => !deleted);
    const model: JsonObject = random.oneOf(living)?.record ?? random.oneOf(stored)?.record ?? {};
    const newId = world.missingId({ ...entity, id: "uuid" }, random);
    return { attempt: attemptOf({ entity, action, who, target, id, model, newId }, random), target, model };
  }

  #isCast(entity: EntityPlan, action: ActionPlan, target: StoredRecord | null): boolean {
    const leaves = action.kind === "move" || action.kind === "delete";
    return leaves && entity.name === this.#parts.plan.actors?.entity && this.#cast.has(target?.id ?? "");
  }

  #someId(entity: EntityPlan): string {
    const { random, world } = this.#parts;
    const found = random.chance(0.9) ? random.oneOf(world.stored(entity.name)) : undefined;
    return found?.id ?? world.missingId(entity, random);
  }
}

const count = (counts: Map<string, number>, name: string): unknown => counts.set(name, (counts.get(name) ?? 0) + 1);

const told = (written: Written): string => `${written.outcome}${"broken" in written ? ` ${written.broken}` : ""}`;
