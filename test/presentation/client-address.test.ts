import { expect, test } from "vitest";
import { networkOf, plainAddress } from "../../src/presentation/http/client-address.ts";

test.each([
  ["192.0.2.1", "192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"],
  ["192.0.2.1:5123", "192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::9", "2001:db8:1:2::9", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2::9]:443", "2001:db8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80::1", "fe80:0:0:0::/64"],
  ["1::", "1::", "1:0:0:0::/64"],
  ["unknown", "unknown", "unknown"],
  ["x".repeat(999), "x".repeat(64), "x".repeat(64)],
])("%s", (address, plain, network) => {
  expect([plainAddress(address), networkOf(address)]).toEqual([plain, network]);
});
