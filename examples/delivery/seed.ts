import { type SeedStep, seedId } from "gesta";
import { walletOf } from "./wallets.ts";

const roles = {
  customer1: "customer",
  customer2: "customer",
  customer3: "customer",
  staff1: "staff",
  staff2: "staff",
  logistician: "logistician",
  manager: "manager",
  admin: "admin",
};

const user = (name: string): string => seedId("users", name);
const restaurant = (number: number): string => seedId("restaurants", String(number));
const dishes = ["Borscht", "Pelmeni", "Pilaf", "Ramen", "Burger", "Falafel", "Pizza", "Caesar salad"];

const users: readonly SeedStep[] = Object.entries(roles).map(([name, role]) => ({
  entity: "users",
  action: "register",
  id: user(name),
  input: { name, email: `${name}@example.com`, password: `${name}-password` },
  decided: { role },
}));

const restaurants: readonly SeedStep[] = [1, 2, 3].flatMap((number) => {
  const id = restaurant(number);
  const staff_ids = number < 3 ? [user(`staff${number}`)] : [];
  const input = { name: `Restaurant ${number}`, city: number === 2 ? "Kazan" : "Moscow", staff_ids };
  const created: SeedStep = { entity: "restaurants", action: "create", id, input };
  return number < 3 ? [created, { entity: "restaurants", action: "open", id, input: {} }] : [created];
});

const dish = (number: number, index: number): string => seedId("menu_items", String(number * 100 + index));

const menu: readonly SeedStep[] = [1, 2, 3].flatMap((number) =>
  dishes.map((name, index) => ({
    entity: "menu_items",
    action: "create",
    id: dish(number, index),
    input: { restaurant_id: restaurant(number), name, price: 5 + index * 1.5 + number / 4, available: index !== 7 },
  })),
);

const promotion = (code: string, starts_at: string, ends_at: string): SeedStep => ({
  entity: "promotions",
  action: "create",
  id: seedId("promotions", code),
  input: { code, percent: 10, starts_at, ends_at },
});

/** The actions that follow an order's placing, by the number of the order: together they end in every state. */
const lives: readonly (readonly (
  | "confirm_payment"
  | "cancel"
  | "close"
  | "open"
  | "accepted"
  | "cooking"
  | "on_way"
  | "delivered"
)[])[] = [
  [],
  ["close", "confirm_payment", "open"],
  ["confirm_payment"],
  ["confirm_payment", "cooking"],
  ["confirm_payment", "cooking", "on_way"],
  ["confirm_payment", "cooking", "on_way", "delivered"],
  ["confirm_payment", "cancel"],
  ["cancel"],
];

const orders: readonly SeedStep[] = Array.from({ length: 40 }, (_, index) => {
  const id = seedId("orders", String(index));
  const number = (index % 2) + 1;
  const customer = user(`customer${(index % 3) + 1}`);
  const staff = user(`staff${number}`);
  const items = [
    { menu_item_id: dish(number, index % 7), quantity: (index % 3) + 1 },
    { menu_item_id: dish(number, (index + 2) % 7), quantity: 1 },
  ];
  const input = { restaurant_id: restaurant(number), items, ...(index % 4 === 0 ? { promotion_code: "TEN" } : {}) };
  const placed: SeedStep = { entity: "orders", action: "place", id, as: customer, input };
  const life = lives[Math.floor(index / 5) % lives.length] ?? [];
  return [
    placed,
    ...life.map((step): SeedStep => {
      if (step === "close" || step === "open") {
        return { entity: "restaurants", action: step, id: restaurant(number), as: staff, input: {} };
      }
      if (step === "confirm_payment" || step === "cancel") {
        return {
          entity: "orders",
          action: step,
          id,
          as: customer,
          input: step === "cancel" ? { reason: "No longer hungry" } : {},
        };
      }
      return { entity: "orders", action: "status", id, as: staff, input: { status: step } };
    }),
  ];
}).flat();

const customers = Object.keys(roles).filter((name) => name.startsWith("customer"));

/** Each customer's wallet came with the registration; 10.00 goes once around, so all hold what they held before. */
const wallets: readonly SeedStep[] = [
  ...customers.map((name) => ({
    entity: "wallets",
    action: "top_up",
    id: walletOf(user(name)),
    as: user("admin"),
    input: { amount: 100 },
  })),
  ...customers.map((name, index) => ({
    entity: "transfers",
    action: "create",
    id: seedId("transfers", String(index)),
    as: user(name),
    input: {
      from_wallet_id: walletOf(user(name)),
      to_wallet_id: walletOf(user(customers[(index + 1) % customers.length] ?? name)),
      amount: 10,
    },
  })),
];
const file = (number: number): string => seedId("files", String(number));

/** The first four belong to customers, the fifth to the manager; it is in no document. */
const files: readonly SeedStep[] = ["menu.pdf", "logo.png", "prices.csv", "terms.txt", "minutes.txt"].map(
  (name, index) => ({
    entity: "files",
    action: "create",
    id: file(index + 1),
    as: user(index < 4 ? `customer${(index % 2) + 1}` : "manager"),
    input: { name, size: (index + 1) * 1024 },
  }),
);

/** Documents of one person that hold files of others. */
const documents: readonly SeedStep[] = [
  { title: "Offer", as: "customer3", file_ids: [file(1), file(2)] },
  { title: "Contract", as: "manager", file_ids: [file(3), file(1), file(4)] },
].map(({ title, as, file_ids }, index) => ({
  entity: "documents",
  action: "create",
  id: seedId("documents", String(index + 1)),
  as: user(as),
  input: { title, file_ids },
}));

/** What a new database starts with: some of everything, orders in every state. */
export const seed: readonly SeedStep[] = [
  ...users,
  ...restaurants,
  ...menu,
  promotion("TEN", "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
  promotion("OLD", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
  ...orders,
  ...wallets,
  ...files,
  ...documents,
];
