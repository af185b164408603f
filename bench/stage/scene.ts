import { seedId } from "gesta";
import { settings } from "../settings.ts";
import { ask } from "./ask.ts";
import { as, asSown, type Headers, inJson } from "./callers.ts";

/** What requests are made of: found in the sown database, or put there by requests. */
export interface Scene {
  readonly databaseUrl: string;
  /** Orders, and who may read them. */
  readonly own: readonly { readonly id: string; readonly headers: Headers }[];
  /** Callers who may read every order. */
  readonly readers: readonly Headers[];
  /** Starts of pages in the order of their ids: the cursor, and the id that it stands for. */
  readonly starts: readonly Start[];
  /** So many of them that no page is asked for again before Gesta has forgotten it. */
  readonly manyStarts: readonly Start[];
  readonly restaurants: readonly { readonly id: string; readonly staff: Headers }[];
  readonly order: object;
  readonly wallets: readonly { readonly id: string; readonly owner: Headers }[];
}

interface Start {
  readonly cursor: string;
  readonly after: string;
}

const customers = ["customer1", "customer2", "customer3"];
const numbers = (length: number): readonly number[] => Array.from({ length }, (_, nth) => nth);

export async function setScene(origin: string, databaseUrl: string): Promise<Scene> {
  const order = await orderOf(origin);
  const placed = customers.flatMap((name) => numbers(100).map(() => asSown(name)));
  const manyStarts = await inTurn(numbers(Math.min(2000, settings.orders)), async (skip) => {
    const { orders, page } = await ask(`${origin}/orders?limit=1&skip=${skip}`, asSown("manager"));
    return { cursor: page.next, after: orders[0].id };
  });
  return {
    databaseUrl,
    order,
    own: await inTurn(placed, async (headers) => {
      const { id } = await ask(`${origin}/orders`, { ...headers, ...inJson }, order);
      return { id, headers };
    }),
    // They are shown the same of a restaurant; admins are shown its staff as well.
    readers: [asSown("manager"), asSown("logistician")],
    starts: manyStarts.slice(0, 100),
    manyStarts,
    restaurants: await restaurantsAt(origin),
    wallets: await filledWallets(origin),
  };
}

/** Three dishes of one restaurant, with a promotion. */
async function orderOf(origin: string): Promise<object> {
  const restaurant_id = seedId("restaurants", "1");
  const { menu_items } = await ask(`${origin}/menu_items?restaurant_id=${restaurant_id}&available=true&limit=3`);
  const items = menu_items.map(({ id }: { readonly id: string }) => ({ menu_item_id: id, quantity: 2 }));
  return { restaurant_id, items, promotion_code: "TEN" };
}

/** Those of the large seed, each with a member of its staff. */
async function restaurantsAt(origin: string): Promise<Scene["restaurants"]> {
  const { restaurants } = await ask(`${origin}/restaurants?limit=1000`, asSown("admin"));
  return restaurants
    .filter(({ staff_ids }: { readonly staff_ids: readonly string[] }) => staff_ids.length > 0)
    .map(({ id, staff_ids: [staff] }: { readonly id: string; readonly staff_ids: readonly string[] }) => ({
      id,
      staff: as(staff ?? ""),
    }));
}

/** Two hundred wallets that hold enough for a run. */
async function filledWallets(origin: string): Promise<Scene["wallets"]> {
  const admin = asSown("admin");
  const { wallets } = await ask(`${origin}/wallets?limit=200`, admin);
  return inTurn(wallets, async ({ id, user_id }: { readonly id: string; readonly user_id: string }) => {
    await ask(`${origin}/wallets/${id}/top-up`, { ...admin, ...inJson }, { amount: 100_000 });
    return { id, owner: as(user_id) };
  });
}

/** A few at a time, in order. */
async function inTurn<From, To>(from: readonly From[], work: (each: From) => Promise<To>): Promise<readonly To[]> {
  const made: To[] = [];
  for (let first = 0; first < from.length; first += 20) {
    made.push(...(await Promise.all(from.slice(first, first + 20).map(work))));
  }
  return made;
}
