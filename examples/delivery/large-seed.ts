import { type LargeSeed, type SeedBlock, type SeedStep, seedId } from "gesta";

const staffOf = (restaurant: number): string => seedId("users", `large-staff${restaurant}`);
const customer = (number: number): string => seedId("users", `large-customer${number}`);
const restaurant = (number: number): string => seedId("restaurants", `large-${number}`);
const dish = (number: number, index: number): string => seedId("menu_items", `large-${number}-${index}`);
const cities = ["Moscow", "Kazan", "Perm", "Tula", "Omsk"];

/** With the eight users, three restaurants and 24 menu items of the small seed: 1,000, 200 and 10,000. */
const counts = { restaurants: 197, customers: 795, dishes: 9976 };
/** Orders of one block; a customer has a quarter of them. */
const blockSize = 1000;

/** A wave of one block. */
const together = (steps: SeedBlock): readonly SeedBlock[] => [steps];
const numbers = (length: number): readonly number[] => Array.from({ length }, (_, index) => index);

const user = (name: string, id: string, role: string): SeedStep => ({
  entity: "users",
  action: "register",
  id,
  // One password for all of them: hashing a thousand would take longer than a hundred thousand orders.
  input: { name, email: `${name}@example.com`, password: "large-seed-password" },
  decided: { role },
});

const users = (): SeedBlock => [
  ...numbers(counts.customers).map((number) => user(`large-customer${number}`, customer(number), "customer")),
  ...numbers(counts.restaurants).map((number) => user(`large-staff${number}`, staffOf(number), "staff")),
];

/** Nobody pays at a closed restaurant but finds the order waiting. */
const isOpen = (number: number): boolean => number % 20 !== 19;

const restaurants = (): SeedBlock => [
  ...numbers(counts.restaurants).map((number) => ({
    entity: "restaurants",
    action: "create",
    id: restaurant(number),
    input: {
      name: `Restaurant ${number + 4}`,
      city: cities[number % cities.length] ?? "",
      staff_ids: [staffOf(number)],
    },
  })),
  ...numbers(counts.restaurants)
    .filter(isOpen)
    .map((number) => ({
      entity: "restaurants",
      action: "open",
      id: restaurant(number),
      as: staffOf(number),
      input: {},
    })),
];

const menu = (): SeedBlock =>
  numbers(counts.dishes).map((number) => {
    const [of, index] = [number % counts.restaurants, Math.floor(number / counts.restaurants)];
    const input = { restaurant_id: restaurant(of), name: `Dish ${index + 1}`, price: 3 + (number % 57) * 0.5 };
    return { entity: "menu_items", action: "create", id: dish(of, index), input };
  });

/** How far an order gets, by its number: most are delivered. */
const stages = ["pay", "cooking", "on_way", "delivered"] as const;
function lifeOf(number: number): { readonly stages: number; readonly cancelled: boolean } {
  const part = (number * 37) % 100;
  if (part < 68) return { stages: 4, cancelled: false };
  if (part < 78) return { stages: 3, cancelled: false };
  if (part < 84) return { stages: 2, cancelled: false };
  if (part < 89) return { stages: 1, cancelled: false };
  if (part < 92) return { stages: 0, cancelled: false };
  return { stages: part < 96 ? 0 : 1, cancelled: true };
}

/** A thousand orders from the first to the last step of each. */
function ordersFrom(first: number, count: number): SeedBlock {
  const block = first / blockSize;
  const orders = numbers(count).map((index) => {
    const number = first + index;
    const buyer = (block * 4 + (index % 4)) % counts.customers;
    const of = (buyer * 7 + block + (index % 5)) % counts.restaurants;
    return { number, id: seedId("orders", `large-${number}`), buyer, of, life: lifeOf(number) };
  });
  const place = orders.map(({ number, id, buyer, of }): SeedStep => {
    const items = numbers((number % 3) + 1).map((line) => ({
      menu_item_id: dish(of, (number + line * 11) % 50),
      quantity: ((number + line) % 4) + 1,
    }));
    const promotion = number % 10 === 0 ? { promotion_code: "TEN" } : {};
    const input = { restaurant_id: restaurant(of), items, ...promotion };
    return { entity: "orders", action: "place", id, as: customer(buyer), input };
  });
  const moves = stages.flatMap((stage, nth) =>
    orders
      .filter(({ life, of }) => life.stages > nth && (nth === 0 || isOpen(of)))
      .map(({ id, buyer, of }): SeedStep => {
        if (stage === "pay") return { entity: "orders", action: "confirm_payment", id, as: customer(buyer), input: {} };
        return { entity: "orders", action: "status", id, as: staffOf(of), input: { status: stage } };
      }),
  );
  const cancelled = orders
    .filter(({ life }) => life.cancelled)
    .map(({ id, buyer }): SeedStep => {
      return { entity: "orders", action: "cancel", id, as: customer(buyer), input: { reason: "No longer hungry" } };
    });
  return [...place, ...moves, ...cancelled];
}

function* orderBlocks(size: number): Iterable<SeedBlock> {
  for (let first = 0; first < size; first += blockSize) yield ordersFrom(first, Math.min(blockSize, size - first));
}

/** A town's worth of orders, after the small seed; the same in every database. */
export const largeSeed: LargeSeed = function* (size) {
  yield together(users());
  yield together(restaurants());
  yield together(menu());
  yield orderBlocks(size);
};
