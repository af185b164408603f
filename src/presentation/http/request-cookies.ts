import type { FastifyRequest } from "fastify";

/** Production is always behind TLS, whether it ends here or at a proxy. */
export const isSecure = (request: FastifyRequest, always: boolean): boolean => always || request.protocol === "https";

/** The value of a cookie; undefined where there is none, null where there are several and nobody can say which counts. */
export function cookieNamed(request: FastifyRequest, name: string): string | null | undefined {
  const { cookie } = request.headers;
  if (cookie === undefined) return undefined;
  const found = cookie
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`));
  return found.length > 1 ? null : found[0]?.slice(name.length + 1);
}
