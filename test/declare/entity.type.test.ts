import { expect, test } from "vitest";
import { actorIs, anyone, entity, integer, money, one, reference, text, workflow } from "../../src/index.ts";

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
