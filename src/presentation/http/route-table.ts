import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from "fastify";
import { Refusal } from "../../kernel/refusal.ts";

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

const methods: readonly HTTPMethods[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/** Remembers which methods each path takes, so that all others can be answered with 405 and `Allow`. */
export class RouteTable {
  readonly #paths = new Map<string, HTTPMethods[]>();

  add(server: FastifyInstance, method: HTTPMethods, path: string, handler: Handler): void {
    const taken = this.#paths.get(path) ?? [];
    this.#paths.set(path, [...taken, method, ...(method === "GET" ? (["HEAD"] as const) : [])]);
    server.route({ method, url: path, handler });
  }

  /** Answers every method that a known path does not take. `hints` names what to do instead, by path. */
  refuseOthers(server: FastifyInstance, hints: ReadonlyMap<string, string>): void {
    for (const [url, taken] of this.#paths) {
      const allow = methods.filter((method) => taken.includes(method));
      const hint = hints.get(url);
      const told = { allow, ...(hint === undefined ? {} : { detail: { en: hint, ru: hint } }) };
      server.route({
        method: methods.filter((method) => !taken.includes(method)),
        url,
        handler: async (request, reply) => {
          if (request.method === "OPTIONS") return reply.code(204).header("allow", allow.join(", ")).send();
          throw new Refusal("method_not_allowed", told);
        },
      });
    }
  }
}
