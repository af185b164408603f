/** Amounts are whole hundredths: a checker must not round. */
export interface TransferCall {
  /** From, to and amount together belong to one call alone, so that a stored transfer tells whose it is. */
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  /** When the first request with its key was sent, and when the answer was there. */
  readonly invoked: number;
  readonly ended: number;
  /** `unknown`: the client gave up without an answer; it may have happened or not. */
  readonly outcome: "ok" | "refused" | "unknown";
  /** The transfer that the answer named. */
  readonly id: string | null;
}

/** All wallets in one reply. */
export interface BankRead {
  readonly invoked: number;
  readonly ended: number;
  readonly wallets: readonly { readonly id: string; readonly balance: number; readonly version: number }[];
}

export interface StoredTransfer {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

/** One event of a wallet: the balance after it, and the transfer that brought it about. */
export interface WalletEvent {
  readonly version: number;
  readonly balance: number;
  readonly transfer: string | null;
}

/** What clients saw, and what the database holds in the end. */
export interface BankHistory {
  readonly calls: readonly TransferCall[];
  readonly reads: readonly BankRead[];
  readonly transfers: readonly StoredTransfer[];
  readonly wallets: readonly {
    readonly id: string;
    /** What it held when the transfers began, at which version. */
    readonly opening: { readonly balance: number; readonly version: number };
    readonly balance: number;
    readonly version: number;
    /** All of its events, in the order of their versions. */
    readonly events: readonly WalletEvent[];
  }[];
}

const nameOf = ({ from, to, amount }: Omit<StoredTransfer, "id">): string => `${amount} from ${from} to ${to}`;

/** Everything that is wrong in a history; nothing in a sound one. Pure. */
export function bankFaults(history: BankHistory): readonly string[] {
  return [...callFaults(history), ...ledgerFaults(history), ...readFaults(history)];
}

/** Acknowledged exactly once, refused never, unknown at most once, and nothing that nobody asked for. */
function callFaults({ calls, transfers }: BankHistory): readonly string[] {
  const stored = new Map<string, string[]>();
  for (const transfer of transfers) {
    const name = nameOf(transfer);
    stored.set(name, [...(stored.get(name) ?? []), transfer.id]);
  }
  const asked = new Set(calls.map(nameOf));
  const faults = calls.flatMap((call): readonly string[] => {
    const name = nameOf(call);
    const ids = stored.get(name) ?? [];
    if (ids.length > 1) return [`doubled: ${name} is stored ${ids.length} times`];
    if (call.outcome === "ok" && ids.length === 0) return [`lost: ${name} was acknowledged`];
    if (call.outcome === "ok" && ids[0] !== call.id) return [`${name} was acknowledged as ${call.id}, not ${ids[0]}`];
    return call.outcome === "refused" && ids.length > 0 ? [`${name} was refused and is stored`] : [];
  });
  const unasked = [...stored.keys()].filter((name) => !asked.has(name)).map((name) => `nobody asked for ${name}`);
  return [...faults, ...unasked];
}

/** Each wallet's events lead without a gap from its opening to its balance, by the stored transfers and nothing else. */
function ledgerFaults({ transfers, wallets }: BankHistory): readonly string[] {
  const faults: string[] = [];
  const byId = new Map(transfers.map((transfer) => [transfer.id, transfer]));
  const sides = new Map<string, number>();
  for (const wallet of wallets) {
    const say = (fault: string) => faults.push(`wallet ${wallet.id}: ${fault}`);
    let { balance } = wallet.opening;
    for (const [index, event] of wallet.events.entries()) {
      if (event.version !== index + 1) say(`version ${event.version} stands at place ${index + 1}`);
      if (event.version <= wallet.opening.version) continue;
      const transfer = byId.get(event.transfer ?? "");
      const moved = transfer === undefined ? null : movedIn(wallet.id, transfer);
      if (moved === null) say(`version ${event.version} is no stored transfer's`);
      else if (event.balance !== balance + moved) {
        say(`version ${event.version} holds ${event.balance}, not ${balance + moved}`);
      }
      if (event.balance < 0) say(`version ${event.version} holds ${event.balance}`);
      balance = event.balance;
      const side = `${event.transfer} ${wallet.id}`;
      sides.set(side, (sides.get(side) ?? 0) + 1);
    }
    const sum = transfers.reduce(
      (held, transfer) => held + (movedIn(wallet.id, transfer) ?? 0),
      wallet.opening.balance,
    );
    if (wallet.balance !== sum) say(`holds ${wallet.balance}, its transfers make ${sum}`);
    if (wallet.balance < 0) say(`holds ${wallet.balance}`);
    if (wallet.version !== wallet.events.length) say(`version ${wallet.version} with ${wallet.events.length} events`);
  }
  for (const { id, from, to } of transfers) {
    for (const wallet of [from, to]) {
      const times = sides.get(`${id} ${wallet}`) ?? 0;
      if (times !== 1) faults.push(`transfer ${id} moved wallet ${wallet} ${times} times`);
    }
  }
  return faults;
}

const movedIn = (wallet: string, { from, to, amount }: StoredTransfer): number | null =>
  wallet === from ? -amount : wallet === to ? amount : null;

/**
 * Every read shows a state that was: the total that all states have, versions with the balance that they had, both
 * sides of a transfer or none; nothing older than what was acknowledged or read before it began, nothing that was asked
 * for after it ended.
 */
function readFaults({ calls, reads, transfers, wallets }: BankHistory): readonly string[] {
  const faults: string[] = [];
  const total = wallets.reduce((sum, { opening }) => sum + opening.balance, 0);
  const known = new Map(wallets.map(({ id, events }) => [id, events]));
  const moves = movesOf(calls, transfers, known);
  const seen: { readonly ended: number; readonly highest: ReadonlyMap<string, number> }[] = [];
  for (const [index, read] of [...reads].sort((a, b) => a.ended - b.ended).entries()) {
    const say = (fault: string) => faults.push(`read ${index}: ${fault}`);
    const versions = new Map(read.wallets.map(({ id, version }) => [id, version]));
    const sum = read.wallets.reduce((held, { balance }) => held + balance, 0);
    if (versions.size !== wallets.length) say(`shows ${versions.size} of ${wallets.length} wallets`);
    if (sum !== total) say(`the total is ${sum}, not ${total}`);
    for (const { id, balance, version } of read.wallets) {
      if (balance < 0) say(`wallet ${id} holds ${balance}`);
      const event = known.get(id)?.[version - 1];
      if (event?.balance !== balance) say(`wallet ${id} never held ${balance} at version ${version}`);
    }
    for (const { name, invoked, acknowledged, sides } of moves) {
      let shown = 0;
      for (const { wallet, version } of sides) if (version <= (versions.get(wallet) ?? 0)) shown++;
      if (shown !== 0 && shown !== sides.length) say(`shows one side of ${name}`);
      if (shown === 0 && acknowledged < read.invoked) say(`does not show ${name}, acknowledged before`);
      if (shown > 0 && invoked > read.ended) say(`shows ${name}, asked for after it`);
    }
    // Reads that overlap may come in either order.
    const before = seen.findLast(({ ended }) => ended < read.invoked);
    for (const [id, version] of before?.highest ?? []) {
      if ((versions.get(id) ?? 0) < version) say(`wallet ${id} went back from version ${version}`);
    }
    const last = seen.at(-1)?.highest;
    const highest = [...versions].map(([id, version]) => [id, Math.max(version, last?.get(id) ?? 0)] as const);
    seen.push({ ended: read.ended, highest: new Map(highest) });
  }
  return faults;
}

/** Each stored transfer with the time of its call and its place in both wallets. */
function movesOf(
  calls: readonly TransferCall[],
  transfers: readonly StoredTransfer[],
  known: ReadonlyMap<string, readonly WalletEvent[]>,
) {
  const byName = new Map(calls.map((call) => [nameOf(call), call]));
  const places = new Map<string, { readonly wallet: string; readonly version: number }[]>();
  for (const [wallet, events] of known) {
    for (const { transfer, version } of events) {
      if (transfer === null) continue;
      const sides = places.get(transfer) ?? [];
      sides.push({ wallet, version });
      places.set(transfer, sides);
    }
  }
  return transfers.map((transfer) => {
    const call = byName.get(nameOf(transfer));
    return {
      name: nameOf(transfer),
      invoked: call?.invoked ?? Number.NEGATIVE_INFINITY,
      acknowledged: call?.outcome === "ok" ? call.ended : Number.POSITIVE_INFINITY,
      sides: places.get(transfer.id) ?? [],
    };
  });
}
