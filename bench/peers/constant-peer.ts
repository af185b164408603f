import { createServer } from "node:http";

/** No database, no work: as many replies as node:http gives on this machine. The text is as long as an order. */
const text = JSON.stringify({ order: "x".repeat(560) });
const fields = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };

const server = createServer((_request, response) => {
  response.writeHead(200, fields);
  response.end(text);
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => process.send?.("ready"));
process.on("SIGTERM", () => process.exit(0));
