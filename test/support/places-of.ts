import type pg from "pg";

/**
 * Every table of every schema in which one of the words stands, in whatever column: a row as text has all of them, bytes
 * in hexadecimal. Case makes no difference.
 */
export async function placesOf(client: pg.Client, words: readonly string[]): Promise<readonly string[]> {
  const { rows: tables } = await client.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm', 'p') and n.nspname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  const patterns = words.flatMap((word) => [`%${word}%`, `%${Buffer.from(word).toString("hex")}%`]);
  const places: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query(`select 1 from ${name} t where t::text ilike any ($1) limit 1`, [patterns]);
    if (rows.length > 0) places.push(name);
  }
  return places;
}
