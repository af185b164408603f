/** One request in the form in which load is made of it. */
export interface Variant {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Request {
  readonly method: "GET" | "POST";
  /** Sent in turn: other records, other callers. */
  readonly variants: readonly Variant[];
  /** Whether each request carries an `Idempotency-Key` of its own. */
  readonly keyed?: true;
  /** Each connection has two variants of its own and sends them in turn, waiting for each reply. */
  readonly laned?: true;
}

export interface Load {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Requests without a reply, or with a status from 400 on. */
  readonly failed: number;
}
