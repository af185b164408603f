import { Refusal } from "../kernel/refusal.ts";
import type { Plan } from "../plan/plan.ts";
import type { RecordsRepository, Who } from "../repositories/records-repository.ts";
import type { Tokens } from "./tokens.ts";

export interface AuthenticationService {
  /**
   * Who sent an `Authorization` header; null for a visitor, who sent none.
   * @throws Refusal `unauthenticated`
   */
  identify(header: string | undefined): Promise<Who>;
  /** The caller's role, for documents; null for a visitor. */
  roleOf(who: Who): Promise<string | null>;
}

export function authenticationService(plan: Plan, tokens: Tokens, records: RecordsRepository): AuthenticationService {
  return {
    async identify(header) {
      if (header === undefined) return null;
      const token = /^Bearer +([^\s]+) *$/i.exec(header)?.[1];
      if (token === undefined || plan.actors === null) throw new Refusal("unauthenticated");
      return tokens.subjectOf(token);
    },
    async roleOf(who) {
      if (who === null || plan.actors === null) return null;
      const loaded = await records.load(plan.actors.entity, who, who);
      if (!("record" in loaded)) throw new Refusal("unauthenticated");
      return String(loaded.record[plan.actors.role]);
    },
  };
}
