import { expect, test } from "vitest";
import { signedCursors } from "../../src/kernel/cursor.ts";
import type { Fault } from "../../src/kernel/fault.ts";
import { readPageSize } from "../../src/kernel/page.ts";

test.each<[Readonly<Record<string, string>>, readonly [number, number] | null, readonly string[]]>([
  [{}, [0, 100], []],
  [{ skip: "10000", limit: "1000" }, [10_000, 1000], []],
  [{ limit: "1001" }, [0, 1000], []],
  [{ skip: "10001", limit: "0" }, null, ["skip", "limit"]],
  [{ skip: "-1", limit: "1.5" }, null, ["skip", "limit"]],
  [{ skip: "", limit: "1e2" }, null, ["skip", "limit"]],
  [{ skip: "1", cursor: "x" }, null, ["skip"]],
])("the size of a page: %j", (parameters, size, wrong) => {
  const faults: Fault[] = [];
  const { skip, limit } = readPageSize(new Map(Object.entries(parameters)), faults);
  expect(faults.map(({ parameter }) => parameter)).toEqual(wrong);
  if (size !== null) expect([skip, limit]).toEqual(size);
});

test("a cursor is good for the list that gave it, as it was given, with the secret it was given with", () => {
  const cursors = signedCursors("a secret");
  const cursor = cursors.make({ history: "orders" }, [7]);
  expect(cursors.read({ history: "orders" }, cursor)).toEqual([7]);
  expect(cursors.read({ own: "orders" }, cursor)).toBeNull();
  expect(cursors.read({ history: "orders" }, `${cursor}=`)).toBeNull();
  expect(cursors.read({ history: "orders" }, "")).toBeNull();
  expect(signedCursors("another").read({ history: "orders" }, cursor)).toBeNull();
});
