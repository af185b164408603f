/** What the bare peer asks of PostgreSQL: each a named prepared statement that gives the reply as one text. */
export interface BareStatement {
  readonly name: string;
  readonly text: string;
}

// Rows that PostgreSQL makes JSON of, moments in its own notation: a third faster than naming each member and moment.
const members = (of: string, names: string) => names.replaceAll(/\w+/g, `${of}.$&`);
const stamps = "version, created_at, updated_at";
const order = members(
  "o",
  `id, status, restaurant_id, items, promotion_code, user_id, total_price, final_price, reason, ${stamps}`,
);
const shownRestaurant = members("r", `id, status, name, city, ${stamps}`);
const drink = members("d", `id, name, price, ${stamps}`);
const transfer = members("t", `id, from_wallet_id, to_wallet_id, amount, ${stamps}`);
const page = (columns: string, from: string) =>
  `select coalesce(json_agg(page), '[]')::text from (select ${columns} ${from}) page`;
/** A statement that writes one row, and that row as JSON. */
const shown = (writing: string, before = "") =>
  `with ${before}done as (${writing}) select row_to_json(done)::text from done`;

const texts = {
  get: `select row_to_json(found)::text from (select ${order} from orders o where o.id = $1 and o.deleted_at is null) found`,
  list: page(order, "from orders o where o.deleted_at is null and o.id > $2::uuid order by o.id limit $1"),
  find: page(
    order,
    `from orders o where o.deleted_at is null and o.restaurant_id = $2::uuid
     order by o.created_at desc, o.id desc limit $1`,
  ),
  expand: page(
    `${order}, (select restaurant from (select ${shownRestaurant}) restaurant) as restaurant`,
    `from orders o join restaurants r on r.id = o.restaurant_id
      where o.deleted_at is null and o.id > $2::uuid order by o.id limit $1`,
  ),
  create: shown(
    `insert into drinks as d (name, price, version, created_at, updated_at)
      values ($1, $2, 1, now(), now()) returning ${drink}`,
  ),
  // What must be remembered is two rows here: the record and a note of it.
  createNoted: shown(
    `insert into drinks as d (name, price, version, created_at, updated_at)
      values ($1::text, $2::numeric, 1, now(), now()) returning ${drink}`,
    `noted as (insert into audit (type, data)
      values ('DrinkCreated', jsonb_build_object('name', $1::text, 'price', $2::numeric))), `,
  ),
  place: shown(
    `insert into orders as o (id, status, restaurant_id, items, promotion_code, user_id, total_price, final_price,
        version, created_at, updated_at)
      select gen_random_uuid(), 'pending_payment', $1, i.items, $3, $4, i.total,
             round(i.total * (100 - coalesce(p.percent, 0)) / 100, 2), 1, now(), now()
        from (select jsonb_agg(jsonb_build_object('menu_item_id', m.id, 'quantity', l.quantity, 'unit_price', m.price)) as items,
                     sum(m.price * l.quantity) as total
                from jsonb_to_recordset($2::jsonb) l (menu_item_id uuid, quantity integer)
                join menu_items m on m.id = l.menu_item_id) i
        left join promotions p on p.code = $3
      returning ${order}`,
  ),
  move: shown(
    `update restaurants r set status = $2, version = version + 1, updated_at = now()
      where r.id = $1 and r.status <> $2 returning ${shownRestaurant}, r.staff_ids`,
  ),
  // Wallets are locked in the order of their ids, so that two transfers never wait for each other.
  transfer: shown(
    `insert into transfers as t (id, from_wallet_id, to_wallet_id, amount, version, created_at, updated_at)
      select gen_random_uuid(), $1, $2, $3::numeric, 1, now(), now() where (select count(*) from paid) = 2
      returning ${transfer}`,
    `held as materialized (select id, balance from wallets where id in ($1, $2) order by id for update),
     paid as (update wallets w set version = version + 1, updated_at = now(),
                     balance = w.balance + case when w.id = $1 then -$3::numeric else $3::numeric end
                from held where held.id = w.id and (select balance from held where id = $1) >= $3::numeric
              returning 1), `,
  ),
} as const;

export const bareStatement = (name: keyof typeof texts): BareStatement => ({ name, text: texts[name] });
