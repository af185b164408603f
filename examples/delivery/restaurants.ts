import { actorHas, actorIn, anyOf, anyone, entity, list, reference, seedId, text, workflow } from "gesta";

const staff = actorIn("staff_ids", { audience: "staff" });
const admin = actorHas("admin");

export const restaurants = entity(
  "restaurants",
  {
    fields: {
      name: text({ min: 1, max: 100, filter: true, sort: true, example: "Trattoria" }),
      city: text({ min: 1, max: 100, filter: true, example: "Moscow" }),
      staff_ids: list(reference("users", { example: seedId("users", "staff1") }), {
        max: 100,
        readBy: anyOf(staff, admin),
      }),
    },
    lifecycle: workflow({
      initial: "closed",
      states: { closed: { on: { open: "open" } }, open: { on: { close: "closed" } } },
    }),
    filter: ["status"],
    read: anyone,
  },
  ({ creates, updates, moves, deletes }) => ({
    create: creates("RestaurantCreated", { by: admin }),
    update: updates("RestaurantUpdated", { by: admin }),
    open: moves("RestaurantOpened", { by: staff, undo: "close" }),
    close: moves("RestaurantClosed", { by: staff, undo: "open" }),
    delete: deletes("RestaurantDeleted", { by: admin }),
  }),
);
