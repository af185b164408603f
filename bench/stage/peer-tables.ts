import { query } from "./ask.ts";

/** Tables that the peers read and write. */
const tables = ["drinks", "users", "restaurants", "menu_items", "promotions", "orders", "wallets", "transfers"];

/**
 * Gives a peer tables of its own, in a schema of its name: the same columns, checks, indexes and rows. Gesta's have
 * row-level security and triggers that note what is changed by hand, which would slow the peer down.
 */
export async function copyTables(databaseUrl: string, schema: string): Promise<void> {
  const copies = tables.map(
    (table) => `create table ${schema}.${table} (like app.${table} including all);
      insert into ${schema}.${table} select * from app.${table};`,
  );
  await query(
    databaseUrl,
    `create schema ${schema};
     ${copies.join("\n")}
     select setval(pg_get_serial_sequence('${schema}.drinks', 'id'), (select coalesce(max(id), 0) + 1 from app.drinks), false);
     create table ${schema}.audit (
       id bigint generated always as identity primary key,
       at timestamptz not null default now(),
       type text not null,
       data jsonb not null
     );`,
  );
}

/** The URL under which a peer finds its own tables first. */
export function ownTables(databaseUrl: string, schema: string): string {
  const url = new URL(databaseUrl);
  url.searchParams.set("options", `-c search_path=${schema} -c timezone=UTC`);
  return url.href;
}
