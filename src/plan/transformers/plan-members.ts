import type { EntityDeclaration } from "../../declare/entity.ts";
import type { FieldKind, FieldPlan, LifecyclePlan } from "../plan.ts";

const plain: Omit<FieldPlan, "name" | "kind"> = {
  optional: false,
  default: null,
  example: null,
  unique: false,
  filter: false,
  sort: false,
  expand: false,
  personal: false,
  setBy: "system",
  readBy: null,
  frozenFrom: null,
  min: null,
  max: null,
  bounded: false,
  above: null,
  pattern: null,
  places: 0,
  values: [],
  after: null,
  target: null,
  mayBeUnseen: false,
  onDelete: "keep",
  targetId: null,
  element: null,
  fields: [],
};

/** All members that a record shows, as fields: those that every record has, and the entity's own. */
export function planMembers(
  entity: EntityDeclaration,
  fields: readonly FieldPlan[],
  lifecycle: LifecyclePlan | null,
): readonly FieldPlan[] {
  const stamp = (name: "status" | "created_at" | "updated_at", kind: FieldKind): FieldPlan => ({
    ...plain,
    name,
    kind,
    filter: entity.filter.includes(name),
    sort: entity.sort.includes(name),
  });
  const id: FieldPlan =
    entity.id === "serial" ? { ...plain, name: "id", kind: "integer", min: 1 } : { ...plain, name: "id", kind: "uuid" };
  return [
    { ...id, unique: true, filter: true, sort: true },
    ...(lifecycle === null ? [] : [{ ...stamp("status", "enum"), values: lifecycle.states }]),
    ...fields.filter(({ kind }) => kind !== "password"),
    { ...plain, name: "version", kind: "integer" },
    stamp("created_at", "instant"),
    stamp("updated_at", "instant"),
  ];
}
