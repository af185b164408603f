import { checkBody } from "../domain/check-value.ts";
import type { IdentifierSource } from "../kernel/identifier.ts";
import { Refusal } from "../kernel/refusal.ts";
import { type SecretSource, tokenHash, tokenOf } from "../kernel/secret-token.ts";
import { apiKeyInput } from "../plan/account-inputs.ts";
import type { Plan } from "../plan/plan.ts";
import { scopesOf } from "../plan/scopes.ts";
import type { AccountsRepository, Portion } from "../repositories/accounts-repository.ts";
import type { AuthenticationService, Caller } from "./authentication-service.ts";
import { demandPerson, type Own, type OwnPage, onePage } from "./own-things.ts";

export interface ShownApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly created_at: string;
}

/** A key as it is shown once. */
export interface NewlyMadeKey extends ShownApiKey {
  readonly key: string;
}

/** A key as it would be made. */
export interface CheckedKey extends Pick<ShownApiKey, "name" | "scopes"> {
  readonly id: null;
  readonly key: null;
  readonly created_at: null;
}

export interface ApiKeysService {
  /** Makes a key for the caller, or with `dryRun` says whether it could. @throws Refusal `invalid`, `forbidden` for an API key */
  make(caller: Caller, input: unknown, dryRun?: boolean): Promise<NewlyMadeKey | CheckedKey>;
  /** The caller's own living keys. */
  list(caller: Caller, portion: Portion): Promise<OwnPage<Own<ShownApiKey>>>;
  /** Revokes one of the caller's own keys, again too. @throws Refusal `not_found`, `forbidden` for an API key */
  revoke(caller: Caller, id: string): Promise<void>;
}

export interface ApiKeysParts {
  readonly plan: Plan;
  readonly accounts: AccountsRepository;
  readonly authentication: AuthenticationService;
  readonly newId: IdentifierSource;
  readonly newSecret: SecretSource;
}

export function apiKeysService({ plan, accounts, authentication, newId, newSecret }: ApiKeysParts): ApiKeysService {
  const scopesFor = async (who: string) => scopesOf(plan, (await authentication.roleOf(who)) ?? "");
  return {
    async make(caller, sent, dryRun = false) {
      const who = await demandPerson(caller, accounts);
      const all = await scopesFor(who);
      const { value, faults } = checkBody(apiKeyInput(all), sent);
      if (faults.length > 0) throw Refusal.invalid(faults);
      const wanted = Array.isArray(value.scopes) ? value.scopes : null;
      const scopes = wanted === null ? null : all.filter((scope) => wanted.includes(scope));
      const name = String(value.name);
      if (dryRun) return { id: null, name, key: null, scopes: scopes ?? all, created_at: null };
      const key = tokenOf("api_key", newSecret());
      const id = newId();
      const created_at = await accounts.makeApiKey({
        id,
        user: who,
        name,
        keyHash: tokenHash(key),
        scopes,
        session: caller.credential.kind === "session" ? caller.credential.id : null,
      });
      return { id, name, key, scopes: scopes ?? all, created_at };
    },

    async list({ who, credential }, portion) {
      if (who === null) throw new Refusal("unauthenticated");
      const all = await scopesFor(who);
      const current = credential.kind === "api_key" ? credential.id : null;
      return onePage(portion, current, async (wanted) => {
        const keys = await accounts.apiKeys(who, wanted);
        return keys.map((key) => ({ ...key, scopes: key.scopes ?? all }));
      });
    },

    async revoke(caller, id) {
      const who = await demandPerson(caller, accounts);
      if (!(await accounts.revokeApiKey(who, id))) throw new Refusal("not_found");
    },
  };
}
