import { actorHas, actorIn, anyOf, anyone, boolean, crud, entity, money, reference, text } from "gesta";

export const menuItems = entity(
  "menu_items",
  {
    fields: {
      restaurant_id: reference("restaurants", { filter: true }),
      name: text({ min: 1, max: 100, filter: true, sort: true }),
      price: money({ min: 0, filter: true, sort: true }),
      available: boolean({ default: true, filter: true }),
    },
    read: anyone,
    demandsVersion: true,
  },
  crud({ by: anyOf(actorIn("restaurant_id.staff_ids", { audience: "staff" }), actorHas("admin")) }),
);
