import { randomUUID } from "node:crypto";
import { bigint, boolean, integer, jsonb, numeric, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

/** The peer's tables, as Drizzle is told of them: without a schema, which its connections choose. */
const instant = () => timestamp({ withTimezone: true });
const key = () =>
  uuid()
    .notNull()
    .$defaultFn(() => randomUUID());
const stamps = {
  version: integer().notNull(),
  created_at: instant().notNull(),
  updated_at: instant().notNull(),
  deleted_at: instant(),
};

export const drinks = pgTable("drinks", {
  id: bigint({ mode: "number" }).generatedByDefaultAsIdentity(),
  name: text().notNull(),
  price: numeric().notNull(),
  ...stamps,
});
export const users = pgTable("users", { id: uuid().notNull(), role: text().notNull(), status: text().notNull() });
export const restaurants = pgTable("restaurants", {
  id: key(),
  status: text().notNull(),
  name: text().notNull(),
  city: text().notNull(),
  staff_ids: uuid().array().notNull(),
  ...stamps,
});
export const menuItems = pgTable("menu_items", {
  id: uuid().notNull(),
  restaurant_id: uuid().notNull(),
  price: numeric().notNull(),
  available: boolean().notNull(),
});
export const promotions = pgTable("promotions", {
  code: text().notNull(),
  percent: bigint({ mode: "number" }).notNull(),
  starts_at: instant().notNull(),
  ends_at: instant().notNull(),
  active: boolean().notNull(),
});
export const orders = pgTable("orders", {
  id: key(),
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
export const wallets = pgTable("wallets", {
  id: uuid().notNull(),
  user_id: uuid().notNull(),
  balance: numeric().notNull(),
  ...stamps,
});
export const transfers = pgTable("transfers", {
  id: key(),
  from_wallet_id: uuid().notNull(),
  to_wallet_id: uuid().notNull(),
  amount: numeric().notNull(),
  ...stamps,
});
export const audit = pgTable("audit", {
  at: instant().notNull().defaultNow(),
  type: text().notNull(),
  data: jsonb().notNull(),
});
