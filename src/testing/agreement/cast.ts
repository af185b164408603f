import { visitor } from "../../domain/permit.ts";
import type { JsonObject } from "../../kernel/json.ts";
import type { Actor } from "../../plan/behaviour.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Random } from "./random.ts";

/** Somebody who asks: a user in any state, a user that never was, or a visitor (`id` null). */
export interface Asker {
  readonly id: string | null;
  /** For the report: `customer 0190…`, `visitor`. */
  readonly name: string;
  /** Whether a token for them means anything. */
  readonly known: boolean;
  /** As whom policies know them; whoever is not known is a visitor. */
  readonly actor: Actor;
}

const visitorAsker: Asker = { id: null, name: "visitor", known: true, actor: visitor };
const stranger: Asker = {
  id: "01900000-0000-7000-8000-000000000000",
  name: "unknown user",
  known: false,
  actor: visitor,
};

/** Who asks next: every role has the same chance, however many users it has. */
export function nextAsker(plan: Plan, stored: readonly JsonObject[], random: Random): Asker {
  const { actors } = plan;
  if (actors === null || random.chance(0.12)) return visitorAsker;
  if (random.chance(0.02)) return stranger;
  const roleOf = (user: JsonObject): string => String(user[actors.role]);
  const role = random.oneOf([...new Set(stored.map(roleOf))]);
  const user = random.oneOf(stored.filter((each) => roleOf(each) === role));
  if (user === undefined) return visitorAsker;
  const known = actors.active.includes(String(user.status));
  const id = String(user.id);
  return known
    ? { id, name: `${role} ${id}`, known, actor: { type: "user", id, roles: [roleOf(user)] } }
    : { id, name: `${role} ${id}, ${user.status}`, known, actor: visitor };
}
