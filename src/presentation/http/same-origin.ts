import type { FastifyRequest } from "fastify";

/**
 * Whether a browser says that a page of this origin, or the person at it, made the request. `Sec-Fetch-Site` cannot be
 * set by a page; where a browser does not send it, `Origin` must be this server's own.
 */
export function isFromHere(request: FastifyRequest): boolean {
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin" || site === "none";
  return request.headers.origin !== undefined && request.headers.origin.toLowerCase() === ownOrigin(request);
}

/** Whether a browser says that another site made the request. Programs say nothing of the kind. */
export const isFromElsewhere = (request: FastifyRequest): boolean =>
  (request.headers["sec-fetch-site"] !== undefined || request.headers.origin !== undefined) && !isFromHere(request);

const ownOrigin = ({ protocol, host }: FastifyRequest): string => `${protocol}://${host}`.toLowerCase();
