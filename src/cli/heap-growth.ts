import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How much a heap may grow over what lived in it after the last collection, in percent. */
const growth = 40;

/**
 * Keeps the memory of a process that serves near to what it needs. Node lets the old part of the heap grow to some 160 MB
 * before it looks for the first time how much of that is in use, and to several times that much afterwards. So it is
 * made to look now, when nobody waits yet, and told to look earlier: docs/decisions/0033.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${growth}`);
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof collect === "function") collect();
}
