import { randomUUID } from "node:crypto";
import { and, asc, eq, gt, inArray, isNull } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { bigint, boolean, integer, jsonb, numeric, pgSchema, text, timestamp, uuid } from "drizzle-orm/pg-core";
import Fastify from "fastify";
import pg from "pg";

/**
 * What many teams write: Fastify with schemas, Drizzle, a transaction around each write, an audit row beside it, and
 * for an order the same checks as Gesta does: customer, restaurant, menu, promotion.
 */
const app = pgSchema("app");
const stamps = {
  version: integer().notNull(),
  created_at: timestamp({ withTimezone: true }).notNull(),
  updated_at: timestamp({ withTimezone: true }).notNull(),
  deleted_at: timestamp({ withTimezone: true }),
};
const drinks = app.table("drinks", {
  id: bigint({ mode: "number" }).generatedByDefaultAsIdentity(),
  name: text().notNull(),
  price: numeric().notNull(),
  ...stamps,
});
const users = app.table("users", { id: uuid().notNull(), role: text().notNull(), status: text().notNull() });
const restaurants = app.table("restaurants", {
  id: uuid().notNull(),
  status: text().notNull(),
  deleted_at: timestamp({ withTimezone: true }),
});
const menuItems = app.table("menu_items", {
  id: uuid().notNull(),
  restaurant_id: uuid().notNull(),
  price: numeric().notNull(),
  available: boolean().notNull(),
});
const promotions = app.table("promotions", {
  code: text().notNull(),
  percent: bigint({ mode: "number" }).notNull(),
  active: boolean().notNull(),
});
const orders = app.table("orders", {
  id: uuid()
    .notNull()
    .$defaultFn(() => randomUUID()),
  status: text().notNull(),
  restaurant_id: uuid().notNull(),
  items: jsonb().notNull(),
  promotion_code: text(),
  user_id: uuid().notNull(),
  total_price: numeric().notNull(),
  final_price: numeric().notNull(),
  reason: text(),
  ...stamps,
});
const audit = pgSchema("bench").table("audit", {
  at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  type: text().notNull(),
  data: jsonb().notNull(),
});

const db = drizzle(new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }));
const userId = process.env.BENCH_USER ?? "";
const server = Fastify();

const shown = <T extends { total_price: string; final_price: string; deleted_at: Date | null }>({
  deleted_at,
  ...order
}: T) => ({
  ...order,
  total_price: Number(order.total_price),
  final_price: Number(order.final_price),
});

server.get<{ Params: { id: string } }>("/orders/:id", async (request, reply) => {
  const [order] = await db
    .select()
    .from(orders)
    .where(and(eq(orders.id, request.params.id), isNull(orders.deleted_at)));
  return order === undefined ? reply.code(404).send() : shown(order);
});

server.get<{ Querystring: { limit: number; after: string } }>(
  "/orders",
  {
    schema: {
      querystring: {
        type: "object",
        properties: {
          limit: { type: "integer", minimum: 1, maximum: 1000 },
          after: { type: "string", format: "uuid" },
        },
      },
    },
  },
  async (request) => {
    const rows = await db
      .select()
      .from(orders)
      .where(and(isNull(orders.deleted_at), gt(orders.id, request.query.after)))
      .orderBy(asc(orders.id))
      .limit(request.query.limit);
    return { orders: rows.map(shown) };
  },
);

const drinkBody = {
  type: "object",
  required: ["name", "price"],
  additionalProperties: false,
  properties: { name: { type: "string", minLength: 1, maxLength: 100 }, price: { type: "number", minimum: 0 } },
};
server.post<{ Body: { name: string; price: number } }>(
  "/drinks",
  { schema: { body: drinkBody } },
  async (request, reply) => {
    const now = new Date();
    const [drink] = await db.transaction(async (tx) => {
      const rows = await tx
        .insert(drinks)
        .values({
          name: request.body.name,
          price: String(request.body.price),
          version: 1,
          created_at: now,
          updated_at: now,
        })
        .returning();
      await tx.insert(audit).values({ type: "DrinkCreated", data: request.body });
      return rows;
    });
    return reply.code(201).send({ ...drink, price: Number(drink?.price) });
  },
);

interface OrderBody {
  readonly restaurant_id: string;
  readonly items: readonly { readonly menu_item_id: string; readonly quantity: number }[];
  readonly promotion_code?: string;
}
const orderBody = {
  type: "object",
  required: ["restaurant_id", "items"],
  additionalProperties: false,
  properties: {
    restaurant_id: { type: "string", format: "uuid" },
    promotion_code: { type: "string", maxLength: 32 },
    items: {
      type: "array",
      minItems: 1,
      maxItems: 50,
      items: {
        type: "object",
        required: ["menu_item_id", "quantity"],
        additionalProperties: false,
        properties: {
          menu_item_id: { type: "string", format: "uuid" },
          quantity: { type: "integer", minimum: 1, maximum: 50 },
        },
      },
    },
  },
};
server.post<{ Body: OrderBody }>("/orders", { schema: { body: orderBody } }, async (request, reply) => {
  const { restaurant_id, items, promotion_code } = request.body;
  const order = await db.transaction(async (tx) => {
    const [user] = await tx.select().from(users).where(eq(users.id, userId));
    if (user?.role !== "customer" || user.status !== "active") return null;
    const [restaurant] = await tx
      .select()
      .from(restaurants)
      .where(and(eq(restaurants.id, restaurant_id), isNull(restaurants.deleted_at)));
    if (restaurant === undefined) return null;
    const menu = await tx
      .select()
      .from(menuItems)
      .where(
        inArray(
          menuItems.id,
          items.map((item) => item.menu_item_id),
        ),
      );
    const promotion =
      promotion_code === undefined
        ? []
        : await tx
            .select()
            .from(promotions)
            .where(and(eq(promotions.code, promotion_code), eq(promotions.active, true)));
    const lines = items.map((item) => ({ ...item, offered: menu.find((dish) => dish.id === item.menu_item_id) }));
    if (lines.some(({ offered }) => offered?.restaurant_id !== restaurant_id || !offered.available)) return null;
    const priced = lines.map(({ offered, ...item }) => ({ ...item, unit_price: Number(offered?.price) }));
    const total = priced.reduce((sum, line) => sum + line.unit_price * line.quantity, 0);
    const final = Math.round(total * (100 - (promotion[0]?.percent ?? 0))) / 100;
    const now = new Date();
    const [row] = await tx
      .insert(orders)
      .values({
        status: "pending_payment",
        restaurant_id,
        items: priced,
        promotion_code: promotion_code ?? null,
        user_id: userId,
        total_price: total.toFixed(2),
        final_price: final.toFixed(2),
        version: 1,
        created_at: now,
        updated_at: now,
      })
      .returning();
    await tx.insert(audit).values({ type: "OrderPlaced", data: request.body });
    return row ?? null;
  });
  return order === null ? reply.code(422).send() : reply.code(201).send(shown(order));
});

await server.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
process.send?.("ready");
process.on("SIGTERM", () => process.exit(0));
