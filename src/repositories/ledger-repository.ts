import type { Engine } from "../database/engine.ts";
import { namesIn } from "../domain/history.ts";
import type { StoredStream } from "../domain/verify-stream.ts";
import type { JsonObject } from "../kernel/json.ts";
import { eventVersionOf } from "../plan/event-version.ts";
import type { EntityPlan, Plan } from "../plan/plan.ts";
import { isPurgeable } from "../plan/purging.ts";
import { type AsideRow, personalValues } from "./personal-values.ts";
import { type EventRow, storedEvent } from "./stored-event.ts";
import { schemaKeys } from "./subject-keys/schema-keys.ts";

/** What one step of the sieve went through, and the streams that need a closer look. */
export interface Sifted {
  readonly streams: number;
  readonly events: number;
  readonly suspects: readonly { readonly entity: string; readonly stream: string }[];
}

/** An operator's event, as `app.put_…` takes it. */
export interface OperatorCommand {
  readonly event: string;
  readonly type: string;
  readonly action: string;
  readonly set: JsonObject;
  readonly causation: string;
}

/** The whole ledger, past row-level security: for verification and operators alone. */
export interface LedgerRepository {
  /** All streams, set by set: memory does not grow with the ledger. */
  sift(): AsyncGenerator<Sifted>;
  /** Streams with their records. */
  streams(entity: EntityPlan, ids: readonly string[]): Promise<readonly StoredStream[]>;
  /** Puts a record into a state that its events give. @returns false where the stream has moved on. */
  put(
    entity: EntityPlan,
    id: string,
    state: JsonObject | null,
    known: number,
    command: OperatorCommand | null,
  ): Promise<boolean>;
}

/** Sets looked through at once: one keeps a core of the database busy. */
const lanes = 2;
const stepOfEvents = 20_000;
const stepOfRecords = 10_000;
const lowest = "00000000-0000-0000-0000-000000000000";
const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const idTypeOf = ({ id }: EntityPlan): string => (id === "serial" ? "bigint" : "uuid");
const streamOfRow = ({ id, name }: EntityPlan): string =>
  id === "serial" ? `gesta.serial_stream('${name}', r.id)` : "r.id";
/** The id of a stream's record: of a serial one, the last 15 digits. */
const idOfStream = ({ id }: EntityPlan, stream: string): string =>
  id === "serial" ? `('x0' || right(translate(${stream}::text, '-', ''), 15))::bit(64)::bigint` : stream;

const hashOf = (previous: string): string =>
  `gesta.event_hash(${previous}, e.stream_id, e.version, e.id, e.entity, e.type, e.type_version, e.action, e.data,
     e.actor_type, e.actor_id, e.reason, e.request_id, e.correlation_id, e.causation_id, e.at)`;

export function ledgerRepository(engine: Engine, plan: Plan, keys = schemaKeys(engine)): LedgerRepository {
  const personal = personalValues(plan, keys);
  const text = siftText(plan);
  const siftRange = async (after: string, upTo: string): Promise<Sifted> => {
    const [row = []] = await engine.inspect(text, [after, upTo]);
    const [streams, events, suspects] = row;
    // The statement built this JSON: pairs of entity and stream.
    const pairs = JSON.parse(String(suspects ?? "[]")) as readonly (readonly [string, string])[];
    return {
      streams: Number(streams),
      events: Number(events),
      suspects: pairs.map(([entity, stream]) => ({ entity, stream })),
    };
  };
  return {
    async *sift() {
      const underWay: Promise<Sifted>[] = [];
      for (let after = lowest; after !== highest; ) {
        const [row = []] = await engine.inspect(boundText, [after, stepOfEvents]);
        const upTo = String(row[0]);
        const ranged = siftRange(after, upTo);
        ranged.catch(() => {}); // Whoever awaits it in its turn is told.
        underWay.push(ranged);
        after = upTo;
        const [first] = underWay;
        if (underWay.length < lanes || first === undefined) continue;
        underWay.shift();
        yield await first;
      }
      for (const ranged of underWay) yield await ranged;
      for (const entity of plan.entities) yield* withoutEvents(engine, entity);
    },
    async streams(entity, ids) {
      const rows = await engine.inspect(streamsText(entity), [ids]);
      const told = rows.map((row) => toldStream(row));
      const opened = await personal.openEvents(entity.name, told);
      return told.map(({ stream, rows: events, before: _, aside: __, ...others }, index): StoredStream => {
        const { rows: open = events, erased } = opened[index] ?? {};
        const unreadable = [...(erased?.keys() ?? [])];
        return { ...others, streamId: stream, events: open.map((row) => storedEvent(row, erased)), unreadable };
      });
    },
    async put({ name, ...entity }, id, state, known, operator) {
      const { command, done } =
        operator === null
          ? { command: null, done: async () => {} }
          : await personal.seal(name, { ...operator, id, version: known });
      const putText = `select app.put_${name}($1::${idTypeOf({ name, ...entity })}, $2::jsonb, $3::integer, $4::jsonb)`;
      const json = (value: object | null) => (value === null ? null : JSON.stringify(value));
      const [row] = await engine.inspect(putText, [id, json(state), known, json(command)]);
      await done(row?.[0] === "done");
      return row?.[0] === "done";
    },
  };
}

/** Where the next set of whole streams ends. */
const boundText = `select coalesce((
  select e.stream_id from gesta.events e where e.stream_id > $1::uuid order by e.stream_id, e.version offset $2 limit 1
)::text, '${highest}')`;

/**
 * The streams of a set: chained, folded and compared by the database. A suspect is any that the pure
 * verification must see, so this may suspect too much, never too little.
 */
function siftText(plan: Plan): string {
  const agrees = plan.entities.map((entity) => {
    const nothing = JSON.stringify(Object.fromEntries(namesIn(entity).map((name) => [name, null])));
    return `when '${entity.name}' then exists (
      select from app."${entity.name}" r
        where r.id = ${idOfStream(entity, "s.stream_id")} and ${streamOfRow(entity)} = s.stream_id
          and app.facts_${entity.name}(r) = '${nothing}' || s.state and r.version = s.events
          and r.created_at = s.first_at and r.updated_at = s.last_at)`;
  });
  const versions = plan.entities
    .filter(({ evolution }) => evolution.length > 0)
    .map((entity) => `when '${entity.name}' then ${eventVersionOf(entity)}`);
  const known = versions.length === 0 ? "1" : `case e.entity ${versions.join(" ")} else 1 end`;
  return `with chain as (
  select e.stream_id, e.version, e.entity, gesta.upcast(e.entity, e.type, e.type_version, e.data) as data, e.at,
         e.version <> row_number() over stream or e.seq < lag(e.seq) over stream or e.at < lag(e.at) over stream
           or e.entity <> lag(e.entity) over stream or e.actor_type = 'operator'
           or e.type_version > ${known}
           or e.hash <> ${hashOf("lag(e.hash) over stream")} as odd
    from gesta.events e where e.stream_id > $1::uuid and e.stream_id <= $2::uuid
    window stream as (partition by e.stream_id order by e.version)
), streams as (
  select stream_id, min(entity) as entity, count(*) as events, gesta.merged(data order by version) as state,
         min(at) as first_at, max(at) as last_at, coalesce(bool_or(odd), false) as odd
    from chain group by stream_id
), judged as (
  select s.stream_id, s.entity, s.events, s.odd or not case s.entity ${agrees.join("\n    ")} else true end as suspect
    from streams s
)
select count(*), coalesce(sum(events), 0),
       (json_agg(json_build_array(entity, stream_id)) filter (where suspect))::text
  from judged`;
}

/** Records that no event tells of. */
async function* withoutEvents(engine: Engine, entity: EntityPlan): AsyncGenerator<Sifted> {
  const text = `select ${streamOfRow(entity)}::text, r.id::text from app."${entity.name}" r
    where r.id > $1::${idTypeOf(entity)}
      and not exists (select from gesta.events e where e.stream_id = ${streamOfRow(entity)})
    order by r.id limit ${stepOfRecords}`;
  for (let after = entity.id === "serial" ? "0" : lowest; ; ) {
    const rows = await engine.inspect(text, [after]);
    const suspects = rows.map(([stream]) => ({ entity: entity.name, stream: String(stream) }));
    yield { streams: rows.length, events: 0, suspects };
    if (rows.length < stepOfRecords) return;
    after = String(rows.at(-1)?.[1]);
  }
}

const streamsText = (entity: EntityPlan): string => `select s.stream_id::text, app.full_${entity.name}(r),
       gesta.instant(r.deleted_at), ${isPurgeable(entity) ? "gesta.instant(r.purged_at)" : "null"}, r.id is not null,
       gesta.aside_of(s.stream_id)::text, (
         select json_agg(json_build_array(c.whole, c.ordered, c.event) order by c.version)::text
           from (
             select e.version, gesta.event_json(e) as event,
                    e.hash = ${hashOf("lag(e.hash) over (order by e.version)")} as whole,
                    coalesce(e.seq > lag(e.seq) over (order by e.version)
                      and e.at >= lag(e.at) over (order by e.version), true) as ordered
               from gesta.events e where e.stream_id = s.stream_id
           ) c)
  from unnest($1::uuid[]) s (stream_id)
  left join app."${entity.name}" r on r.id = ${idOfStream(entity, "s.stream_id")}`;

function toldStream([streamId, full, deletedAt, purgedAt, exists, aside, chain]: readonly unknown[]) {
  // The statement built this JSON; its shape is the tuple's.
  const links = JSON.parse(String(chain ?? "[]")) as readonly (readonly [boolean, boolean, EventRow])[];
  const versions = (wanted: (link: (typeof links)[number]) => boolean) =>
    links.filter(wanted).map(([, , [version]]) => version);
  return {
    stream: String(streamId),
    record:
      String(exists) === "true"
        ? {
            ...(JSON.parse(String(full)) as JsonObject),
            deleted_at: textOrNull(deletedAt),
            purged_at: textOrNull(purgedAt),
          }
        : null,
    before: {},
    rows: links.map(([, , event]) => event),
    // `gesta.aside_of` built this JSON.
    aside: JSON.parse(String(aside ?? "[]")) as readonly AsideRow[],
    broken: versions(([whole]) => !whole),
    disordered: versions(([, ordered]) => !ordered),
  };
}

const textOrNull = (value: unknown): string | null => (value == null ? null : String(value));
