import { and, asc, desc, eq, gt, inArray, isNull } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import Fastify from "fastify";
import pg from "pg";
import { userOf } from "../stage/tokens.ts";
import { drinkBody, listQuery, type OrderBody, orderBody, type TransferBody, transferBody } from "./drizzle-schemas.ts";
import {
  audit,
  drinks,
  menuItems,
  orders,
  promotions,
  restaurants,
  transfers,
  users,
  wallets,
} from "./drizzle-tables.ts";

/**
 * What many teams write: Fastify with schemas, Drizzle, a transaction around each write, an audit row beside it, and
 * the same checks of a write as Gesta does. Reads check nothing.
 */
const db = drizzle(new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }));
const server = Fastify();

const shown = <T extends { deleted_at: Date | null }>({ deleted_at, ...record }: T) => record;
const shownOrder = (order: typeof orders.$inferSelect) => ({
  ...shown(order),
  total_price: Number(order.total_price),
  final_price: Number(order.final_price),
});
const stampsNow = () => {
  const now = new Date();
  return { version: 1, created_at: now, updated_at: now };
};

const callers = new Map<string, string | null>();
function callerOf({ authorization = "" }: { readonly authorization?: string | undefined }): string {
  const known = callers.get(authorization) ?? userOf(authorization.slice(7));
  callers.set(authorization, known);
  return known ?? "";
}

server.get<{ Params: { id: string } }>("/orders/:id", async (request, reply) => {
  const [order] = await db
    .select()
    .from(orders)
    .where(and(eq(orders.id, request.params.id), isNull(orders.deleted_at)));
  return order === undefined ? reply.code(404).send() : shownOrder(order);
});

interface ListQuery {
  readonly limit: number;
  readonly after?: string;
  readonly restaurant_id?: string;
  readonly expand?: string;
}
server.get<{ Querystring: ListQuery }>("/orders", { schema: { querystring: listQuery } }, async (request) => {
  const { limit, after, restaurant_id, expand } = request.query;
  const living = isNull(orders.deleted_at);
  if (restaurant_id !== undefined) {
    const found = await db
      .select()
      .from(orders)
      .where(and(living, eq(orders.restaurant_id, restaurant_id)))
      .orderBy(desc(orders.created_at), desc(orders.id))
      .limit(limit);
    return { orders: found.map(shownOrder) };
  }
  const beyond = and(living, after === undefined ? undefined : gt(orders.id, after));
  if (expand === undefined) {
    const rows = await db.select().from(orders).where(beyond).orderBy(asc(orders.id)).limit(limit);
    return { orders: rows.map(shownOrder) };
  }
  const rows = await db
    .select()
    .from(orders)
    .innerJoin(restaurants, eq(restaurants.id, orders.restaurant_id))
    .where(beyond)
    .orderBy(asc(orders.id))
    .limit(limit);
  return {
    orders: rows.map(({ orders: order, restaurants: { staff_ids, ...restaurant } }) => ({
      ...shownOrder(order),
      restaurant: shown(restaurant),
    })),
  };
});

server.post<{ Body: { name: string; price: number } }>(
  "/drinks",
  { schema: { body: drinkBody } },
  async ({ body }, reply) => {
    const [drink] = await db.transaction(async (tx) => {
      const rows = await tx
        .insert(drinks)
        .values({ name: body.name, price: String(body.price), ...stampsNow() })
        .returning();
      await tx.insert(audit).values({ type: "DrinkCreated", data: body });
      return rows;
    });
    return drink === undefined
      ? reply.code(500).send()
      : reply.code(201).send({ ...shown(drink), price: Number(drink.price) });
  },
);

server.post<{ Body: OrderBody }>("/orders", { schema: { body: orderBody } }, async (request, reply) => {
  const { restaurant_id, items, promotion_code } = request.body;
  const userId = callerOf(request.headers);
  const order = await db.transaction(async (tx) => {
    const [user] = await tx.select().from(users).where(eq(users.id, userId));
    if (user?.role !== "customer" || user.status !== "active") return null;
    const [restaurant] = await tx
      .select()
      .from(restaurants)
      .where(and(eq(restaurants.id, restaurant_id), isNull(restaurants.deleted_at)));
    if (restaurant === undefined) return null;
    const wanted = items.map((item) => item.menu_item_id);
    const menu = await tx.select().from(menuItems).where(inArray(menuItems.id, wanted));
    const [promotion] =
      promotion_code === undefined ? [] : await tx.select().from(promotions).where(eq(promotions.code, promotion_code));
    const now = new Date();
    const runs = promotion?.active && promotion.starts_at <= now && now < promotion.ends_at;
    if (promotion_code !== undefined && !runs) return null;
    const lines = items.map((item) => ({ ...item, offered: menu.find((dish) => dish.id === item.menu_item_id) }));
    if (lines.some(({ offered }) => offered?.restaurant_id !== restaurant_id || !offered.available)) return null;
    const priced = lines.map(({ offered, ...item }) => ({ ...item, unit_price: Number(offered?.price) }));
    const total = priced.reduce((sum, line) => sum + line.unit_price * line.quantity, 0);
    const final = Math.round(total * (100 - (promotion?.percent ?? 0))) / 100;
    const [row] = await tx
      .insert(orders)
      .values({
        ...{ status: "pending_payment", restaurant_id, items: priced, user_id: userId },
        promotion_code: promotion_code ?? null,
        total_price: total.toFixed(2),
        final_price: final.toFixed(2),
        ...stampsNow(),
      })
      .returning();
    await tx.insert(audit).values({ type: "OrderPlaced", data: request.body });
    return row ?? null;
  });
  return order === null ? reply.code(422).send() : reply.code(201).send(shownOrder(order));
});

const moves = { open: "open", close: "closed" } as const;
for (const [action, status] of Object.entries(moves)) {
  server.post<{ Params: { id: string } }>(`/restaurants/:id/${action}`, async (request, reply) => {
    const { id } = request.params;
    const userId = callerOf(request.headers);
    const moved = await db.transaction(async (tx) => {
      const [user] = await tx.select().from(users).where(eq(users.id, userId));
      const [restaurant] = await tx.select().from(restaurants).where(eq(restaurants.id, id)).for("update");
      if (user?.status !== "active" || restaurant?.deleted_at !== null) return null;
      if (restaurant.status === status || !restaurant.staff_ids.includes(userId)) return null;
      const [row] = await tx
        .update(restaurants)
        .set({ status, version: restaurant.version + 1, updated_at: new Date() })
        .where(eq(restaurants.id, id))
        .returning();
      await tx.insert(audit).values({ type: `Restaurant ${action}`, data: { id } });
      return row ?? null;
    });
    return moved === null ? reply.code(409).send() : shown(moved);
  });
}

server.post<{ Body: TransferBody }>("/transfers", { schema: { body: transferBody } }, async (request, reply) => {
  const { from_wallet_id, to_wallet_id, amount } = request.body;
  const userId = callerOf(request.headers);
  const made = await db.transaction(async (tx) => {
    const [user] = await tx.select().from(users).where(eq(users.id, userId));
    // In the order of their ids, so that two transfers never wait for each other.
    const held = await tx
      .select()
      .from(wallets)
      .where(inArray(wallets.id, [from_wallet_id, to_wallet_id]))
      .orderBy(asc(wallets.id))
      .for("update");
    const [from, to] = [from_wallet_id, to_wallet_id].map((id) => held.find((wallet) => wallet.id === id));
    if (user?.status !== "active" || from?.user_id !== userId || to === undefined || from === to) return null;
    const left = Math.round((Number(from.balance) - amount) * 100) / 100;
    if (left < 0) return null;
    for (const { wallet, balance } of [
      { wallet: from, balance: left },
      { wallet: to, balance: Math.round((Number(to.balance) + amount) * 100) / 100 },
    ]) {
      await tx
        .update(wallets)
        .set({ balance: balance.toFixed(2), version: wallet.version + 1, updated_at: new Date() })
        .where(eq(wallets.id, wallet.id));
    }
    const values = { from_wallet_id, to_wallet_id, amount: amount.toFixed(2), ...stampsNow() };
    const [row] = await tx.insert(transfers).values(values).returning();
    await tx.insert(audit).values({ type: "TransferCreated", data: request.body });
    return row ?? null;
  });
  return made === null ? reply.code(409).send() : reply.code(201).send({ ...shown(made), amount: Number(made.amount) });
});

await server.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
process.send?.("ready");
process.on("SIGTERM", () => process.exit(0));
