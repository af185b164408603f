import { createServer, type IncomingMessage } from "node:http";
import pg from "pg";

/**
 * The fastest that a good engineer writes by hand: node:http, one pool of ten, named prepared statements, JSON built
 * in SQL; no roles, no row-level security, no events, no checks beyond what the statement itself does.
 */
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

const instant = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
const order = `json_build_object('id', id, 'status', status, 'restaurant_id', restaurant_id, 'items', items,
  'promotion_code', promotion_code, 'user_id', user_id, 'total_price', total_price, 'final_price', final_price,
  'reason', reason, 'version', version, 'created_at', ${instant("created_at")}, 'updated_at', ${instant("updated_at")})`;
const drink = `json_build_object('id', id, 'name', name, 'price', price, 'version', version,
  'created_at', ${instant("created_at")}, 'updated_at', ${instant("updated_at")})`;

const statements = {
  get: { name: "get", text: `select ${order}::text from app.orders where id = $1 and deleted_at is null` },
  list: {
    name: "list",
    text: `select coalesce(json_agg(row), '[]')::text from (
      select ${order} as row from app.orders where deleted_at is null and id > $2 order by id limit $1) page`,
  },
  create: {
    name: "create",
    text: `insert into app.drinks (name, price, version, created_at, updated_at)
      values ($1, $2, 1, now(), now()) returning ${drink}::text`,
  },
  createTwo: {
    name: "createTwo",
    text: `with kept as (insert into bench.audit (type, data) values ('DrinkCreated', jsonb_build_object('name', $1::text, 'price', $2::numeric)))
      insert into app.drinks (name, price, version, created_at, updated_at)
      values ($1::text, $2::numeric, 1, now(), now()) returning ${drink}::text`,
  },
  place: {
    name: "place",
    text: `insert into app.orders (id, status, restaurant_id, items, promotion_code, user_id, total_price, final_price,
        version, created_at, updated_at)
      select gen_random_uuid(), 'pending_payment', $1, i.items, $3, $4, i.total,
             round(i.total * (100 - coalesce(p.percent, 0)) / 100, 2), 1, now(), now()
        from (select jsonb_agg(jsonb_build_object('menu_item_id', m.id, 'quantity', l.quantity, 'unit_price', m.price)) as items,
                     sum(m.price * l.quantity) as total
                from jsonb_to_recordset($2::jsonb) l (menu_item_id uuid, quantity integer)
                join app.menu_items m on m.id = l.menu_item_id) i
        left join app.promotions p on p.code = $3
      returning ${order}::text`,
  },
} as const;

const bodyOf = (request: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part) => {
      text += part;
    });
    request.on("end", () => resolve(text));
    request.on("error", reject);
  });

async function answer(request: IncomingMessage): Promise<string | undefined> {
  const url = request.url ?? "";
  const run = async (statement: { readonly name: string; readonly text: string }, values: unknown[]) => {
    const result = await pool.query<string[]>({ ...statement, values, rowMode: "array" });
    return result.rows[0]?.[0];
  };
  if (request.method === "GET") {
    return url.startsWith("/orders?")
      ? `{"orders":${await run(statements.list, [20, url.slice(-36)])}}`
      : run(statements.get, [url.slice(8)]);
  }
  const body = JSON.parse(await bodyOf(request));
  // A creation that must be remembered is two rows here: the record and a note of it.
  const create = request.headers["idempotency-key"] === undefined ? statements.create : statements.createTwo;
  return url === "/drinks"
    ? run(create, [body.name, body.price])
    : run(statements.place, [
        body.restaurant_id,
        JSON.stringify(body.items),
        body.promotion_code,
        process.env.BENCH_USER,
      ]);
}

const server = createServer((request, response) => {
  answer(request).then(
    (text) => {
      response.writeHead(text === undefined ? 404 : request.method === "POST" ? 201 : 200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text ?? ""),
      });
      response.end(text);
    },
    () => response.writeHead(500).end(),
  );
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => process.send?.("ready"));
process.on("SIGTERM", () => process.exit(0));
