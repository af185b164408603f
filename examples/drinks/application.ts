import { anyone, application, crud, decimal, entity, text } from "gesta";
export const drinks = entity(
  "drinks",
  {
    id: "serial",
    fields: {
      name: text({ min: 1, max: 100, filter: true, sort: true, example: "Jack" }),
      price: decimal({ min: 0, places: 2, filter: true, sort: true, example: 10 }),
    },
    read: anyone,
    lint: { accept: { sequential_id: "drinks are no secret", open_write: "a playground for everyone" } },
  },
  crud({ by: anyone, bulk: true }),
);
export default application("drinks", { entities: [drinks] });
