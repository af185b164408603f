import { createHash } from "node:crypto";
import type { Application } from "../../declare/application.ts";
import type { FieldKind, FieldPlan, IndexPlan, Policy } from "../plan.ts";

/** Kinds of which many records share a value, so that a filter alone leaves many rows to sort. */
const shared: ReadonlySet<FieldKind> = new Set(["enum", "boolean", "reference", "uuid", "text", "url", "email"]);
const spelt: ReadonlySet<FieldKind> = new Set(["text", "url"]);

/** Whether deletes look for the records that refer to another one in this list. */
const isLookedThrough = ({ element }: FieldPlan): boolean => element !== null && element.onDelete !== "keep";

/**
 * The indexes of an entity, and no other: for each filter and sort one in that order, `id` breaking ties; for each
 * pair of a filter that many records share and a sort, one that serves both; the same for columns that the read policy
 * finds an actor's records by. All leave deleted records out.
 */
export function planIndexes(
  entity: string,
  members: readonly FieldPlan[],
  read: Policy,
  heldIn: ReadonlySet<string>,
): readonly IndexPlan[] {
  const fields = members.filter(({ name }) => name !== "id");
  const found = columnsFound(read);
  const sorts = fields.filter(({ sort }) => sort);
  const lists = fields.filter(
    (field) => field.kind === "list" && (field.filter || heldIn.has(field.name) || isLookedThrough(field)),
  );
  const leads = fields.filter(
    ({ kind, filter, unique, sort, name }) =>
      kind !== "list" &&
      !unique &&
      (found.includes(name) || (filter && shared.has(kind) && !(sort && spelt.has(kind)))),
  );
  const single = fields.filter(
    (field) =>
      field.kind !== "list" &&
      !(field.unique && !field.sort) &&
      (field.filter || field.sort || field.target !== null || leads.includes(field)),
  );
  return [
    ...fields.filter(({ unique }) => unique).map((field) => uniqueIndex(entity, field)),
    ...single.map(({ name }) => index(`${entity}_${name}_index`, [name, "id"])),
    ...leads.flatMap((lead) =>
      sorts
        .filter((sort) => sort !== lead)
        .map((sort) => index(`${entity}_${lead.name}_${sort.name}_index`, [lead.name, sort.name, "id"])),
    ),
    ...fields
      .filter(({ kind, filter }) => filter && spelt.has(kind))
      .map(({ name }): IndexPlan => ({ ...index(`${entity}_${name}_start_index`, [name]), caseless: "all" })),
    ...lists.map(({ name }): IndexPlan => ({ ...index(`${entity}_${name}_index`, [name]), entries: true })),
  ];
}

/** PostgreSQL cuts names at 63 bytes; a longer one gets the beginning of its hash instead of its end. */
const nameOf = (name: string): string =>
  name.length <= 63 ? name : `${name.slice(0, 48)}_${createHash("md5").update(name).digest("hex").slice(0, 8)}_index`;

const index = (name: string, columns: readonly string[]): IndexPlan => ({
  name: nameOf(name),
  columns,
  unique: false,
  caseless: null,
  entries: false,
});

const uniqueIndex = (entity: string, { name, kind }: FieldPlan): IndexPlan => ({
  ...index(`${entity}_${name}_key`, [name]),
  unique: true,
  caseless: kind === "email" ? "ascii" : null,
});

/** The columns that the records of an actor can be found by: `restaurant_id` for `restaurant_id.staff_ids`. */
function columnsFound(policy: Policy): readonly string[] {
  switch (policy.kind) {
    case "actor_is":
      return [policy.path.split(".")[0] ?? ""];
    case "actor_in":
      return policy.path.includes(".") ? [policy.path.split(".")[0] ?? ""] : [];
    case "any_of":
      return policy.policies.flatMap(columnsFound);
    default:
      return [];
  }
}

/** The lists of an entity in which the read policies of others look for the actor. */
export function listsInPolicies({ entities }: Application, entity: string): ReadonlySet<string> {
  return new Set(
    entities.flatMap(({ fields, read }) =>
      pathsIn(read).flatMap((path) => {
        const [first = "", second] = path.split(".");
        return second !== undefined && fields[first]?.target === entity ? [second] : [];
      }),
    ),
  );
}

const pathsIn = (policy: Policy): readonly string[] => {
  switch (policy.kind) {
    case "actor_in":
      return [policy.path];
    case "any_of":
    case "all_of":
      return policy.policies.flatMap(pathsIn);
    default:
      return [];
  }
};
