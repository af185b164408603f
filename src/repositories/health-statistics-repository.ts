import type { Engine } from "../database/engine.ts";
import type { DatabaseState, LiveIndex, LiveReference, LiveTable } from "../domain/diagnosis.ts";

const text = `select json_build_object(
  'indexes', (
    select coalesce(json_agg(json_build_object(
        'schema', n.nspname, 'table', t.relname, 'name', c.relname, 'method', m.amname, 'unique', i.indisunique,
        'valid', i.indisvalid and i.indisready, 'scans', coalesce(s.idx_scan, 0), 'bytes', pg_relation_size(i.indexrelid),
        'columns', (
          select json_agg(a.attname order by k.nth)
            from unnest(i.indkey::smallint[]) with ordinality k (number, nth)
            left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
            where k.nth <= i.indnkeyatts))
        order by n.nspname, c.relname), '[]')
      from pg_index i
      join pg_class c on c.oid = i.indexrelid
      join pg_class t on t.oid = i.indrelid
      join pg_namespace n on n.oid = t.relnamespace
      join pg_am m on m.oid = c.relam
      left join pg_stat_user_indexes s on s.indexrelid = i.indexrelid
      where n.nspname in ('app', 'gesta')),
  'tables', (
    select coalesce(json_agg(json_build_object(
        'schema', schemaname, 'name', relname, 'rows', n_live_tup, 'dead', n_dead_tup,
        'analyzed', coalesce(last_analyze, last_autoanalyze) is not null) order by schemaname, relname), '[]')
      from pg_stat_user_tables where schemaname in ('app', 'gesta')),
  'references', (
    select coalesce(json_agg(json_build_object(
        'schema', n.nspname, 'table', t.relname,
        'columns', (
          select json_agg(a.attname order by k.nth)
            from unnest(c.conkey) with ordinality k (number, nth)
            join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number))
        order by n.nspname, t.relname, c.conname), '[]')
      from pg_constraint c
      join pg_class t on t.oid = c.conrelid
      join pg_namespace n on n.oid = t.relnamespace
      where c.contype = 'f' and n.nspname in ('app', 'gesta')),
  -- Without a reset they count from the beginning, which the first event knows.
  'since', gesta.instant(coalesce(
    (select stats_reset from pg_stat_database where datname = current_database()),
    (select at from gesta.events order by seq limit 1),
    now()))
)::text`;

/** What the database knows of its own indexes and tables. It only reads. */
export async function databaseState(engine: Engine): Promise<DatabaseState> {
  const [row] = await engine.inspect(text);
  // The statement builds exactly this shape.
  const { since, ...state } = JSON.parse(String(row?.[0])) as {
    readonly indexes: readonly LiveIndex[];
    readonly tables: readonly LiveTable[];
    readonly references: readonly LiveReference[];
    readonly since: string;
  };
  // The embedded engine forgets its statistics whenever it closes.
  return { ...state, countedSince: engine.kind === "pglite" ? null : since };
}
