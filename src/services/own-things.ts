import { Refusal } from "../kernel/refusal.ts";
import type { AccountsRepository, Portion } from "../repositories/accounts-repository.ts";
import type { Caller } from "./authentication-service.ts";

/** A thing of the caller's own, and whether it is the one that the caller came with. */
export type Own<Thing> = Thing & { readonly current: boolean };

export interface OwnPage<Thing> {
  readonly things: readonly Thing[];
  /** The id to go on after, or null on the last page. */
  readonly next: string | null;
}

/** One page of a user's own things: one more is asked for, to know whether another page follows. */
export async function onePage<Thing extends { readonly id: string }>(
  portion: Portion,
  current: string | null,
  ask: (portion: Portion) => Promise<readonly Thing[]>,
): Promise<OwnPage<Own<Thing>>> {
  const found = await ask({ ...portion, limit: portion.limit + 1 });
  const shown = found.slice(0, portion.limit);
  return {
    things: shown.map((thing) => ({ ...thing, current: thing.id === current })),
    next: found.length > shown.length ? (shown.at(-1)?.id ?? null) : null,
  };
}

/** Keys are for programs: one that leaks must not make another, nor lock its owner out. */
export async function demandPerson({ who, credential }: Caller, accounts: AccountsRepository): Promise<string> {
  if (who === null) throw new Refusal("unauthenticated");
  if (credential.kind !== "api_key") return who;
  // Whoever may not act any more is told that first.
  await accounts.apiKeys(who, { after: null, skip: 0, limit: 1 });
  throw new Refusal("forbidden", {
    detail: {
      en: "an API key makes and ends no keys and sessions; sign in, or use another token",
      ru: "API-ключ не создаёт и не завершает ключи и сеансы; войдите или возьмите другой токен",
    },
  });
}
