import { createServer, type IncomingMessage } from "node:http";
import { parse } from "node:querystring";
import pg from "pg";
import { userOf } from "../stage/tokens.ts";
import { type BareStatement, bareStatement } from "./bare-statements.ts";

/**
 * The fastest that a good engineer writes by hand: node:http, one pool of ten, named prepared statements, JSON built
 * in SQL; no roles, no row-level security, no events, no checks beyond what the statement itself does.
 */
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

const statements = {
  get: bareStatement("get"),
  list: bareStatement("list"),
  find: bareStatement("find"),
  expand: bareStatement("expand"),
  create: bareStatement("create"),
  createNoted: bareStatement("createNoted"),
  place: bareStatement("place"),
  move: bareStatement("move"),
  transfer: bareStatement("transfer"),
};

async function run({ name, text }: BareStatement, values: unknown[]): Promise<string | undefined> {
  const { rows } = await pool.query<string[]>({ name, text, values, rowMode: "array" });
  return rows[0]?.[0];
}

const listed = async (text: Promise<string | undefined>) => `{"orders":${await text}}`;

function read(url: string): Promise<string | undefined> {
  if (url.startsWith("/orders/")) return run(statements.get, [url.slice(8)]);
  const { limit, after, restaurant_id, expand } = parse(url.slice(url.indexOf("?") + 1));
  if (restaurant_id !== undefined) return listed(run(statements.find, [limit, restaurant_id]));
  return listed(run(expand === undefined ? statements.list : statements.expand, [limit, after]));
}

async function write(request: IncomingMessage, url: string): Promise<string | undefined> {
  const body = await bodyOf(request);
  if (url === "/drinks") {
    const noted = request.headers["idempotency-key"] !== undefined;
    return run(noted ? statements.createNoted : statements.create, [body.name, body.price]);
  }
  if (url === "/orders") {
    const who = callerOf(request);
    return run(statements.place, [body.restaurant_id, JSON.stringify(body.items), body.promotion_code, who]);
  }
  if (url === "/transfers") return run(statements.transfer, [body.from_wallet_id, body.to_wallet_id, body.amount]);
  const [, , id, action] = url.split("/");
  return run(statements.move, [id, action === "open" ? "open" : "closed"]);
}

const callers = new Map<string, string | null>();
function callerOf({ headers: { authorization = "" } }: IncomingMessage): string | null {
  const known = callers.get(authorization) ?? userOf(authorization.slice(7));
  callers.set(authorization, known);
  return known;
}

const bodyOf = (request: IncomingMessage) =>
  // The shape is what the statement makes of it: this peer checks nothing.
  new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part) => {
      text += part;
    });
    request.on("end", () => resolve(text === "" ? {} : JSON.parse(text)));
    request.on("error", reject);
  });

const server = createServer((request, response) => {
  const { url = "", method } = request;
  // Records are made where there is a collection, and changed by an action.
  const done = method === "GET" || url.indexOf("/", 1) > 0 ? 200 : 201;
  (method === "GET" ? read(url) : write(request, url)).then(
    (text) => {
      response.writeHead(text === undefined ? 404 : done, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text ?? ""),
      });
      response.end(text);
    },
    () => response.writeHead(500).end(),
  );
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => process.send?.("ready"));
process.on("SIGTERM", () => process.exit(0));
