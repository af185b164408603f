import { expect, test } from "vitest";
import {
  act,
  actorIs,
  anyone,
  type Effect,
  entity,
  integer,
  make,
  money,
  one,
  reference,
  text,
  workflow,
} from "../../src/index.ts";

const shops = entity("shops", { fields: { name: text(), fee: money() }, read: anyone }, () => ({}));

/** Checked by `npm run types`: each expected error that does not occur is one. */
test("a wrong field, state or action name does not compile", () => {
  const orders = entity(
    "orders",
    {
      fields: {
        shop_id: reference("shops"),
        quantity: integer(),
        note: text({ optional: true }),
        total: money({ setBy: "system" }),
      },
      lifecycle: workflow({ initial: "new", states: { new: { on: { finish: "done" } }, done: { final: true } } }),
      read: anyone,
    },
    ({ creates, moves, changes, movesTo }) => ({
      place: creates("OrderPlaced", {
        by: actorIs("shop_id"),
        needs: ({ input }) => ({ shop: one(shops, input.shop_id) }),
        decide: ({ input, needs }) => {
          const note: string | null = input.note;
          // @ts-expect-error no field of the input
          void input.quantitty;
          // @ts-expect-error the server decides it, so no client sends it
          void input.total;
          // @ts-expect-error no field of the needed record
          void needs.shop?.fees;
          // @ts-expect-error the shop may be missing
          void needs.shop.fee;
          void note;
          return { total: (needs.shop?.fee ?? 0) * input.quantity };
        },
      }),
      // @ts-expect-error creation must decide `total`
      place_badly: creates("OrderPlaced", { by: anyone, decide: () => ({ note: "x" }) }),
      // @ts-expect-error a policy names no field
      place_oddly: creates("OrderPlaced", { by: actorIs("shop"), decide: () => ({ total: 1 }) }),
      // @ts-expect-error no such state
      finish: moves("OrderFinished", { by: anyone, to: () => "dome" }),
      // @ts-expect-error it sets a field that it did not name
      finish2: moves("OrderFinished", { by: anyone, sets: ["note"], decide: () => ({ total: 2 }) }),
      // @ts-expect-error no such field
      renote: changes("OrderNoted", { by: anyone, fields: ["nota"] }),
      // @ts-expect-error no such state
      status: movesTo({ dome: "OrderFinished" }, { by: anyone }),
    }),
  );
  expect(Object.keys(orders.actions)).toHaveLength(7);
  expect(Object.isFrozen(orders.fields.shop_id)).toBe(true);
});

test("an act on a record without a lifecycle knows its fields, and no state", () => {
  const accounts = entity(
    "accounts",
    { fields: { held: money({ setBy: "system", default: 0 }), note: text({ optional: true }) }, read: anyone },
    ({ acts }) => ({
      top_up: acts("AccountToppedUp", {
        by: anyone,
        input: { amount: money({ above: 0 }) },
        sets: ["held"],
        decide: ({ state, input, conflict }) => {
          // @ts-expect-error an entity without a lifecycle has no status
          void state.status;
          // @ts-expect-error no field of the input
          void input.amuont;
          return input.amount > 1 ? conflict("insufficient_funds") : { held: state.held + input.amount };
        },
        effects: ({ record }): readonly Effect[] => [act(shops, record.id, "close"), make(shops, "open")],
      }),
      // @ts-expect-error it sets a field that it did not name
      renote: acts("AccountNoted", { by: anyone, sets: ["note"], decide: () => ({ held: 2 }) }),
      // @ts-expect-error no such field
      misname: acts("AccountNoted", { by: anyone, sets: ["nota"] }),
      // @ts-expect-error an act leaves the state alone
      go: acts("AccountClosed", { by: anyone, to: () => "closed" }),
      // @ts-expect-error no such conflict
      odd: acts("AccountClosed", { by: anyone, conflicts: ["no_money"] }),
    }),
  );
  expect(accounts.actions.top_up).toMatchObject({ kind: "act", fields: ["held"], to: null, demandsKey: false });
});
