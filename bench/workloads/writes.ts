import type { Variant } from "../load/request.ts";
import { bareStatement } from "../peers/bare-statements.ts";
import { query } from "../stage/ask.ts";
import { asSown, inJson } from "../stage/callers.ts";
import type { Scene } from "../stage/scene.ts";
import type { Peer } from "../stage/stage.ts";
import { allPeers, everyConnections, usualConnections, type Workload } from "./workload.ts";

const drink = { name: "Jack", price: 10 };
const drinks: readonly Variant[] = [{ path: "/drinks", headers: inJson, body: JSON.stringify(drink) }];
const created = { peers: allPeers, status: 201, alike: "members" } as const;

export const writes: readonly Workload[] = [
  {
    ...created,
    name: "create with a key",
    connections: everyConnections,
    request: () => ({ method: "POST", variants: drinks, keyed: true }),
    scripts: () => [{ ...bareStatement("createNoted"), values: [drink.name, drink.price] }],
  },
  {
    ...created,
    name: "create without a key",
    connections: usualConnections,
    request: () => ({ method: "POST", variants: drinks }),
    scripts: () => [{ ...bareStatement("create"), values: [drink.name, drink.price] }],
  },
  {
    ...created,
    name: "transition",
    connections: usualConnections,
    status: 200,
    request: async (peer, scene) => ({ method: "POST", variants: await turns(peer, scene), laned: true }),
  },
  {
    ...created,
    name: "place an order",
    connections: usualConnections,
    request: (_peer, { order }) => ({
      method: "POST",
      variants: [{ path: "/orders", headers: { ...asSown("customer1"), ...inJson }, body: JSON.stringify(order) }],
    }),
  },
  {
    ...created,
    name: "transfer",
    connections: [16],
    request: (_peer, { wallets }) => ({
      method: "POST",
      keyed: true,
      variants: wallets.map(({ id, owner }, nth) => ({
        path: "/transfers",
        headers: { ...owner, ...inJson },
        body: JSON.stringify({
          from_wallet_id: id,
          // Far away, so that those under way at once seldom meet.
          to_wallet_id: wallets[(nth + wallets.length / 2) % wallets.length]?.id,
          amount: 0.01,
        }),
      })),
    }),
  },
];

/** Opening and closing of restaurants, by their staff; each begins with what it is not now. */
async function turns(peer: Peer, { databaseUrl, restaurants }: Scene): Promise<readonly Variant[]> {
  const schema = peer === "gesta" ? "app" : peer;
  const rows = await query(databaseUrl, `select id from ${schema}.restaurants where status = 'open'`);
  const open = new Set(rows.map(({ id }) => id));
  return restaurants.flatMap(({ id, staff }) => {
    const actions = open.has(id) ? ["close", "open"] : ["open", "close"];
    return actions.map((action) => ({
      path: `/restaurants/${id}/${action}`,
      headers: { ...staff, ...inJson },
      body: "{}",
    }));
  });
}
