import { actorHas, actorIn, anyOf, anyone, boolean, crud, entity, money, reference, seedId, text } from "gesta";

export const menuItems = entity(
  "menu_items",
  {
    fields: {
      restaurant_id: reference("restaurants", { filter: true, expand: true, example: seedId("restaurants", "1") }),
      name: text({ min: 1, max: 100, filter: true, sort: true, example: "Solyanka" }),
      price: money({ min: 0, filter: true, sort: true, example: 7.5 }),
      available: boolean({ default: true, filter: true }),
    },
    aggregates: { group: ["restaurant_id", "available"], of: { price: ["min", "max"] } },
    read: anyone,
    demandsVersion: true,
  },
  crud({ by: anyOf(actorIn("restaurant_id.staff_ids", { audience: "staff" }), actorHas("admin")), bulk: true }),
);
