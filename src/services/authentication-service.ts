import { Refusal } from "../kernel/refusal.ts";
import { isWhole, kindOf, tokenHash } from "../kernel/secret-token.ts";
import type { Plan } from "../plan/plan.ts";
import { unscoped } from "../plan/scopes.ts";
import type { AccountsRepository } from "../repositories/accounts-repository.ts";
import type { RecordsRepository, Who } from "../repositories/records-repository.ts";
import type { Tokens } from "./tokens.ts";

/** What a caller showed to be known by. */
export type Credential =
  | { readonly kind: "none" | "jwt" }
  | { readonly kind: "session"; readonly id: string }
  /** Without scopes it is good for whatever its user may do. */
  | { readonly kind: "api_key"; readonly id: string; readonly scopes: readonly string[] | null };

export interface Caller {
  readonly who: Who;
  readonly credential: Credential;
}

export interface AuthenticationService {
  /**
   * Who shows a token; a visitor shows none.
   * @param scope what is to be done, `orders:cancel`; null for what every key is good for
   * @throws Refusal `unauthenticated`; `forbidden` for an API key that is not good for it
   */
  identify(token: string | null, scope: string | null): Promise<Caller>;
  /** The caller's role; null for a visitor. @throws Refusal `unauthenticated` for who may not act any more */
  roleOf(who: Who): Promise<string | null>;
}

const visitor: Caller = { who: null, credential: { kind: "none" } };

export function authenticationService(
  plan: Plan,
  tokens: Tokens,
  records: RecordsRepository,
  accounts: AccountsRepository,
): AuthenticationService {
  const roleOf = async (who: Who): Promise<string | null> => {
    if (who === null || plan.actors === null) return null;
    const loaded = await records.load(plan.actors.entity, who, who);
    if (!("record" in loaded)) throw new Refusal("unauthenticated");
    return String(loaded.record[plan.actors.role]);
  };
  return {
    roleOf,
    async identify(token, scope) {
      if (token === null) return visitor;
      if (plan.actors === null) throw new Refusal("unauthenticated");
      const kind = kindOf(token);
      if (kind === null) return { who: await tokens.subjectOf(token), credential: { kind: "jwt" } };
      const found = isWhole(token) ? await accounts.credential(tokenHash(token)) : null;
      if (found === null || found.kind !== kind) throw new Refusal("unauthenticated");
      const { user, ...credential } = found;
      if (credential.kind === "api_key" && credential.scopes !== null && scope !== null) {
        if (!credential.scopes.includes(scope)) throw await outsideOf(user, scope);
      }
      return { who: user, credential };
    },
  };

  /** Whoever may not act at all is told that first. */
  async function outsideOf(user: string, scope: string): Promise<Refusal> {
    await roleOf(user);
    const detail =
      scope === unscoped
        ? {
            en: "this API key is made for some collections only; use one without `scopes`, or sign in",
            ru: "этот API-ключ выдан только для отдельных коллекций; возьмите ключ без `scopes` или войдите",
          }
        : {
            en: `this API key lacks the scope \`${scope}\`; make one that has it`,
            ru: `у этого API-ключа нет области \`${scope}\`; создайте ключ с ней`,
          };
    return new Refusal("forbidden", { detail });
  }
}
