import {
  actorHas,
  actorIn,
  actorIs,
  anyOf,
  byKey,
  entity,
  type Fault,
  integer,
  list,
  many,
  money,
  object,
  one,
  reference,
  seedId,
  text,
  workflow,
} from "gesta";
import { menuItems } from "./menu-items.ts";
import orderWorkflow from "./order.workflow.json" with { type: "json" };
import { reduced, runsAt, totalOf } from "./price.ts";
import { promotions } from "./promotions.ts";
import { restaurants } from "./restaurants.ts";

const owner = actorIs("user_id", { audience: "customer" });
const staff = actorIn("restaurant_id.staff_ids", { audience: "staff" });
const admin = actorHas("admin");

export const orders = entity(
  "orders",
  {
    fields: {
      restaurant_id: reference("restaurants", {
        setBy: "create",
        filter: true,
        expand: true,
        example: seedId("restaurants", "1"),
      }),
      items: list(
        object({
          menu_item_id: reference("menu_items", { example: seedId("menu_items", "100") }),
          quantity: integer({ min: 1, max: 50, example: 2 }),
          unit_price: money({ setBy: "system", min: 0, example: 5.25 }),
        }),
        { setBy: "create", min: 1, max: 50, frozenFrom: "accepted" },
      ),
      promotion_code: text({ setBy: "create", max: 32, optional: true, example: "TEN" }),
      user_id: reference("users", {
        setBy: "actor",
        filter: true,
        expand: true,
        example: seedId("users", "customer1"),
      }),
      total_price: money({ setBy: "system", min: 0, frozenFrom: "accepted", example: 10.5 }),
      final_price: money({
        setBy: "system",
        min: 0,
        frozenFrom: "accepted",
        filter: true,
        sort: true,
        example: 9.45,
      }),
      reason: text({ setBy: "system", max: 500, optional: true }),
    },
    lifecycle: workflow(orderWorkflow),
    filter: ["status", "created_at"],
    sort: ["created_at"],
    aggregates: {
      group: ["status", "restaurant_id"],
      of: { final_price: ["sum", "avg", "min", "max"], created_at: ["min", "max"] },
    },
    read: anyOf(owner, staff, actorHas("manager", "logistician", "admin")),
    lint: { accept: { "server_owned_input actions.cancel.input.reason": "only who cancels says why, and only then" } },
  },
  ({ creates, moves, movesTo, deletes }) => ({
    place: creates("OrderPlaced", {
      by: actorHas("customer"),
      needs: ({ input }) => ({
        menu: many(
          menuItems,
          input.items.map((item) => item.menu_item_id),
        ),
        promotion: byKey(promotions, "code", input.promotion_code),
      }),
      decide: ({ input, needs, now, refuse }) => {
        const items = [];
        const faults: Fault[] = [];
        for (const [index, item] of input.items.entries()) {
          const offered = needs.menu[index];
          if (offered?.restaurant_id !== input.restaurant_id) {
            faults.push({ pointer: `/items/${index}/menu_item_id`, code: "not_found" });
          } else if (!offered.available) {
            faults.push({ pointer: `/items/${index}/menu_item_id`, code: "not_available" });
          } else {
            items.push({ ...item, unit_price: offered.price });
          }
        }
        if (input.promotion_code !== null && !(needs.promotion && runsAt(needs.promotion, now))) {
          faults.push({ pointer: "/promotion_code", code: "not_found" });
        }
        if (faults.length > 0) return refuse(...faults);
        const total_price = totalOf(items);
        return { items, total_price, final_price: reduced(total_price, needs.promotion?.percent ?? 0) };
      },
    }),
    confirm_payment: moves("PaymentConfirmed", {
      by: owner,
      needs: ({ state }) => ({ restaurant: one(restaurants, state.restaurant_id) }),
      to: ({ needs }) => (needs.restaurant?.status === "open" ? "accepted" : "new"),
    }),
    cancel: moves("OrderCancelled", {
      by: anyOf(owner, staff, admin),
      input: { reason: text({ max: 500, optional: true, example: "No longer hungry" }) },
      sets: ["reason"],
      decide: ({ input }) => ({ reason: input.reason }),
    }),
    status: movesTo(
      {
        accepted: "OrderAccepted",
        cooking: "OrderCookingStarted",
        on_way: "OrderSentOut",
        delivered: "OrderDelivered",
      },
      { by: anyOf(staff, admin) },
    ),
    delete: deletes("OrderDeleted", { by: admin, confirm: true, wait: "30 days" }),
  }),
);
