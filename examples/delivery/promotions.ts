import { actorHas, boolean, crud, entity, instant, integer, text } from "gesta";

const marketing = actorHas("manager", "admin");

export const promotions = entity(
  "promotions",
  {
    fields: {
      code: text({ min: 1, max: 32, unique: true, filter: true, example: "SPRING" }),
      percent: integer({ min: 1, max: 100, example: 15 }),
      starts_at: instant(),
      ends_at: instant({ after: "starts_at", filter: true, sort: true }),
      active: boolean({ default: true, filter: true }),
    },
    read: marketing,
  },
  crud({ by: marketing }),
);
