import type { Json, JsonObject } from "../../kernel/json.ts";
import type { ActionPlan, EntityPlan, FieldPlan } from "../../plan/plan.ts";
import type { Command } from "../../repositories/records-repository.ts";
import type { Asker } from "./cast.ts";
import type { Random } from "./random.ts";
import type { StoredRecord } from "./world.ts";

/** One wish, in both languages: as a request, and as the command that a decision would have made of it. */
export interface Attempt {
  readonly method: string;
  readonly path: string;
  readonly body: JsonObject;
  readonly command: Command;
}

interface Wish {
  readonly entity: EntityPlan;
  readonly action: ActionPlan;
  readonly who: Asker;
  /** The record to act on, and its id where there is none. */
  readonly target: StoredRecord | null;
  readonly id: string;
  /** A record of the same entity whose values are taken: they are valid, and their references lead somewhere. */
  readonly model: JsonObject;
  /** An id for what is created. */
  readonly newId: string;
}

/** Makes the attempt; the command is forged without any of the API's checks. */
export function attemptOf({ entity, action, who, target, id, model, newId }: Wish, random: Random): Attempt {
  const to = targetState(action, entity, target, random);
  const whole = action.kind === "create" || action.kind === "change";
  const taken = whole ? action.input : random.some(action.input);
  const isDone = action.kind === "move" || action.kind === "act";
  const required = action.input.filter((field) => taken.includes(field) || (isDone && !field.optional));
  const values = Object.fromEntries(
    required.map((field): [string, Json] => [
      field.name,
      field.name === "status" && action.kind === "move" ? to : valueFor(field, model, newId),
    ]),
  );
  return {
    method: action.method,
    path: `/${entity.name}${action.path.replace("{id}", id)}`,
    body: Object.fromEntries(action.input.flatMap((field) => sent(field, values[field.name]))),
    command: {
      actor: who.id,
      event: newId,
      action: action.name,
      id: action.kind === "create" ? (entity.id === "uuid" ? newId : null) : id,
      version: action.kind === "create" ? null : Number(target?.record.version ?? 1),
      to,
      type: typeof action.event === "string" ? action.event : (action.event[to ?? ""] ?? "Forged"),
      set: decided(entity, action, who, model, values),
      secrets: Object.fromEntries(
        entity.fields
          .filter(({ name, kind }) => kind === "password" && action.sets.includes(name))
          .map(({ name }) => [name, "$argon2id$forged"]),
      ),
      request: null,
    },
  };
}

/** A state that the workflow allows from here, so that the policy has the last word; any other where it allows none. */
function targetState(action: ActionPlan, { lifecycle }: EntityPlan, target: StoredRecord | null, random: Random) {
  if (action.kind !== "move" || lifecycle === null) return null;
  const steps = lifecycle.transitions.filter((step) => step.action === action.name);
  const legal = steps.filter((step) => step.from === target?.record.status);
  return random.oneOf(legal)?.to ?? random.oneOf(steps)?.to ?? lifecycle.initial;
}

/** What a decision would store: the client's values, and for a creation the model's where the system decides. */
function decided(
  entity: EntityPlan,
  action: ActionPlan,
  who: Asker,
  model: JsonObject,
  values: JsonObject,
): JsonObject {
  const set: Record<string, Json> = {};
  for (const field of entity.fields) {
    if (field.kind === "password" || !action.sets.includes(field.name)) continue;
    const value = values[field.name];
    if (field.setBy === "actor") set[field.name] = who.id;
    else if (value !== undefined && field.setBy !== "system") set[field.name] = stored(field, value, model);
    else if (action.kind === "create") set[field.name] = action.decides ? (model[field.name] ?? null) : field.default;
  }
  return set;
}

/** A nested value needs its system-owned members: those of the model, which has the same shape. */
const stored = (field: FieldPlan, value: Json, model: JsonObject): Json =>
  field.kind === "list" || field.kind === "object" ? (model[field.name] ?? value) : value;

function valueFor(field: FieldPlan, model: JsonObject, fresh: string): Json {
  const name = fresh.slice(-12);
  if (field.kind === "password") return `password ${name}`;
  if (field.unique && field.kind === "reference") return fresh;
  if (field.unique) return field.kind === "email" ? `${name}@example.com` : name;
  const held = model[field.name];
  if (held !== undefined) return held;
  if (field.optional) return null;
  switch (field.kind) {
    case "enum":
      return field.values[0] ?? null;
    case "integer":
    case "decimal":
    case "money":
      return field.min ?? (field.above ?? 0) + 1;
    case "boolean":
      return true;
    case "list":
      return [];
    default:
      return name;
  }
}

/** The value as a client sends it: without what the system owns inside of it. */
function sent(field: FieldPlan, value: Json | undefined): readonly [string, Json][] {
  return value === undefined ? [] : [[field.name, clientPart(field, value)]];
}

function clientPart(field: FieldPlan, value: Json): Json {
  const { element } = field;
  if (Array.isArray(value)) return element === null ? value : value.map((entry: Json) => clientPart(element, entry));
  if (field.kind !== "object" || typeof value !== "object" || value === null) return value;
  const held = value as JsonObject; // an object that is no array
  return Object.fromEntries(
    field.fields
      .filter(({ setBy }) => setBy === "client" || setBy === "create")
      .map((part) => [part.name, clientPart(part, held[part.name] ?? null)]),
  );
}
