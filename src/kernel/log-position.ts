/** A place in PostgreSQL's write-ahead log: all that was committed before it has been written down by then. */
export interface LogPosition {
  /** Of the history that it belongs to: a standby that is promoted begins another one. */
  readonly timeline: number;
  /** The byte in the log (LSN). */
  readonly lsn: bigint;
}

/** A place that nothing has reached: whoever must have it is answered by the primary. */
export const furthest: LogPosition = { timeline: 0xffff_ffff, lsn: 0xffff_ffff_ffff_ffffn };

const pattern = /^([1-9]\d{0,9}):([0-9A-F]{1,8}\/[0-9A-F]{1,8})$/;

/** `1:0/16B3748`, the timeline before PostgreSQL's own form of an LSN. */
export const positionText = ({ timeline, lsn }: LogPosition): string =>
  `${timeline}:${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;

/** @returns null for what is no position */
export function readPosition(text: string): LogPosition | null {
  const [, digits = "", lsn = ""] = pattern.exec(text) ?? [];
  const timeline = Number(digits);
  return timeline > 0 && timeline <= furthest.timeline ? { timeline, lsn: readLsn(lsn) } : null;
}

/** An LSN as PostgreSQL writes it: `0/16B3748`. */
export function readLsn(text: string): bigint {
  const [high = "", low = ""] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** The position that has both. */
export const later = (one: LogPosition, other: LogPosition): LogPosition =>
  one.timeline === other.timeline ? (one.lsn > other.lsn ? one : other) : one.timeline > other.timeline ? one : other;
