import { actorHas, actorIs, anyOf, entity, list, reference, seedId, signedIn, text } from "gesta";

const keeper = anyOf(actorIs("owner_id"), actorHas("admin"));

export const documents = entity(
  "documents",
  {
    fields: {
      title: text({ min: 1, max: 200, filter: true, sort: true, example: "Autumn menu" }),
      file_ids: list(reference("files", { onDelete: "detach", expand: true, example: seedId("files", "1") }), {
        max: 100,
        filter: true,
      }),
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
    create: creates("DocumentCreated", { by: signedIn }),
    update: updates("DocumentUpdated", { by: keeper }),
    delete: deletes("DocumentDeleted", { by: keeper }),
  }),
);
