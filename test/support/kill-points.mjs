// Loaded into the built program with `node --import`: ends the process at a named point of the life of one command, as
// a power cut would, without a word in the product. The point is named by the request itself, in a header whose name
// GESTA_TEST_KILL_HEADER tells, so that one process serves the retry of the last round and dies in the next one.
import http from "node:http";
import pg from "pg";

const header = process.env.GESTA_TEST_KILL_HEADER ?? "";
let point = "";

const die = () => process.kill(process.pid, "SIGKILL");
/** @param {string} name */
const dieAt = (name) => {
  if (point === name) die();
};

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, ...rest) {
  const [request] = rest;
  if (event === "request" && header in request.headers) {
    point = request.headers[header];
    request.once("end", () => dieAt("request read"));
  }
  return emit.call(this, event, ...rest);
};

const query = pg.Client.prototype.query;
pg.Client.prototype.query = function (statement, ...rest) {
  const name = typeof statement?.name === "string" ? statement.name : "";
  // Who calls is known once the database is asked for that user's record.
  if (name.startsWith("load_")) dieAt("caller identified");
  if (name.startsWith("write_")) dieAt("before the write is sent");
  const result = query.call(this, statement, ...rest);
  if (name.startsWith("write_")) result.then(() => dieAt("answered by the database"));
  if (name.startsWith("load_") && name !== "load_users") result.then(() => dieAt("records loaded"));
  return result;
};

// The moment of a decision is the last thing that is asked before it is made.
const RealDate = Date;
globalThis.Date = class extends RealDate {
  /** @param {any[]} given */
  constructor(...given) {
    super(...given);
    if (given.length > 0 || point !== "clock asked") return;
    if (new Error().stack?.includes("decideCommand")) die();
  }
};

const end = http.ServerResponse.prototype.end;
http.ServerResponse.prototype.end = function (body, ...rest) {
  if (point !== "half of the reply sent" || body === undefined) return end.call(this, body, ...rest);
  const bytes = Buffer.from(body);
  this.write(bytes.subarray(0, bytes.length / 2), () => die());
  return this;
};
