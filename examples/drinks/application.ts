import { anyone, application, crud, decimal, entity, text } from "gesta";

export const drinks = entity(
  "drinks",
  {
    id: "serial",
    fields: {
      name: text({ min: 1, max: 100, filter: true, sort: true }),
      price: decimal({ min: 0, places: 2, filter: true, sort: true }),
    },
    read: anyone,
  },
  crud({ by: anyone }),
);
export default application("drinks", { entities: [drinks] });
