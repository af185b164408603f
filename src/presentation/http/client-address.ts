import { isIPv4, isIPv6 } from "node:net";

const longestAddress = 64;

/** The address as people write it: IPv4 out of its IPv6 dress, without a zone or the port that some proxies add. */
export function plainAddress(address: string): string {
  const bare = address
    .trim()
    .replace(/^\[(.*)\](:\d+)?$/, "$1")
    .replace(/%.*$/, "")
    .toLowerCase();
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare) ?? [];
  const [, withoutPort] = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(bare) ?? [];
  return (mapped ?? withoutPort ?? bare).slice(0, longestAddress);
}

/** Whom attempts are counted by: an IPv4 address, or the /64 of an IPv6 one, of which anybody has all the others. */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  if (isIPv4(plain) || !isIPv6(plain)) return plain;
  // The parser of URLs gives the one short form; `::` stands for as many groups as are missing of eight.
  const [head = "", tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : 8 - front.length - back.length;
  const groups = [...front, ...Array.from({ length: missing }, () => "0"), ...back];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
