import { actorHas, actorIs, anyOf, entity, integer, reference, seedId, signedIn, text } from "gesta";

const keeper = anyOf(actorIs("owner_id"), actorHas("admin"));

export const files = entity(
  "files",
  {
    fields: {
      name: text({ min: 1, max: 255, filter: true, sort: true, example: "poster.pdf" }),
      size: integer({ min: 0, filter: true, sort: true, example: 20_480 }),
      owner_id: reference("users", {
        setBy: "actor",
        filter: true,
        expand: true,
        example: seedId("users", "customer1"),
      }),
    },
    read: signedIn,
  },
  ({ creates, updates, deletes }) => ({
    create: creates("FileCreated", { by: signedIn }),
    update: updates("FileUpdated", { by: keeper }),
    delete: deletes("FileDeleted", { by: keeper, confirm: "when_linked" }),
  }),
);
