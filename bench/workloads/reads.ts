import type { Variant } from "../load/request.ts";
import { bareStatement } from "../peers/bare-statements.ts";
import type { Scene } from "../stage/scene.ts";
import { originOf, type Peer } from "../stage/stage.ts";
import { allPeers, everyConnections, usualConnections, type Workload } from "./workload.ts";

const reading = (variants: readonly Variant[]) => ({ method: "GET", variants }) as const;

/** Each thing asked for by each caller: of those that wait at the same moment no two are the same. */
const byReaders = (paths: readonly string[], { readers }: Scene): readonly Variant[] =>
  paths.flatMap((path) => readers.map((headers) => ({ path, headers })));

/** Where Gesta takes a cursor, its peers take the id to go on after. */
const pages = (
  peer: Peer,
  scene: Scene,
  limit: number,
  { starts, more = "" }: { readonly starts: Scene["starts"]; readonly more?: string },
): readonly Variant[] =>
  byReaders(
    starts.map(({ cursor, after }) => {
      const start = peer === "gesta" ? `cursor=${cursor}` : `after=${after}`;
      return `/orders?limit=${limit}&${start}${more}`;
    }),
    scene,
  );

const ownOrders = ({ own }: Scene): readonly Variant[] =>
  own.map(({ id, headers }) => ({ path: `/orders/${id}`, headers }));

const list = { status: 200, alike: "values", member: "orders" } as const;

export const reads: readonly Workload[] = [
  {
    name: "get by id",
    peers: [...allPeers, "constant"],
    connections: everyConnections,
    request: (_peer, scene) => reading(ownOrders(scene)),
    status: 200,
    alike: "values",
    scripts: ({ own }) => own.map(({ id }) => ({ ...bareStatement("get"), values: [id] })),
  },
  {
    name: "get unchanged",
    peers: ["gesta"],
    connections: usualConnections,
    request: async (peer, scene) =>
      reading(await Promise.all(ownOrders(scene).map((variant) => tagged(peer, variant)))),
    status: 304,
    alike: "members",
  },
  {
    name: "get as of",
    peers: ["gesta"],
    connections: usualConnections,
    request: async (_peer, scene) => {
      const variants = ownOrders(scene);
      const moment = new Date().toISOString();
      return reading(variants.map(({ path, headers }) => ({ path: `${path}?as_of=${moment}`, headers })));
    },
    status: 200,
    alike: "members",
  },
  {
    ...list,
    name: "list filtered and sorted",
    peers: allPeers,
    connections: everyConnections,
    request: (_peer, scene) =>
      reading(
        byReaders(
          scene.restaurants.map(({ id }) => `/orders?restaurant_id=${id}&sort=-created_at&limit=20`),
          scene,
        ),
      ),
    scripts: ({ restaurants }) => restaurants.map(({ id }) => ({ ...bareStatement("find"), values: [20, id] })),
  },
  {
    ...list,
    name: "list of 20",
    peers: allPeers,
    connections: usualConnections,
    request: (peer, scene) => reading(pages(peer, scene, 20, scene)),
    scripts: ({ starts }) => starts.map(({ after }) => ({ ...bareStatement("list"), values: [20, after] })),
  },
  {
    ...list,
    name: "list of 20, each another",
    peers: allPeers,
    connections: usualConnections,
    request: (peer, scene) => reading(pages(peer, scene, 20, { starts: scene.manyStarts })),
  },
  {
    ...list,
    name: "the same list of 20",
    peers: allPeers,
    connections: usualConnections,
    request: (peer, scene) => reading(pages(peer, scene, 20, scene).slice(0, 1)),
  },
  {
    ...list,
    name: "list of 100 expanded",
    peers: allPeers,
    connections: usualConnections,
    request: (peer, scene) => reading(pages(peer, scene, 100, { starts: scene.starts, more: "&expand=restaurant" })),
    scripts: ({ starts }) => starts.map(({ after }) => ({ ...bareStatement("expand"), values: [100, after] })),
  },
];

/** The same, unless it has changed meanwhile. */
async function tagged(peer: Peer, { path, headers }: Variant): Promise<Variant> {
  const reply = await fetch(`${originOf(peer)}${path}`, { headers });
  await reply.arrayBuffer();
  return { path, headers: { ...headers, "if-none-match": reply.headers.get("etag") ?? "" } };
}
