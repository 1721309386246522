import type { MovementVerdict } from './service.ts';
import { type AccountLine, type HoldLine, idOf, isForced, type MovementLine } from './test-rows.ts';

/**
 * A second, naive reading of what the ledger promises. It keeps a diary of what files said and of what messages did,
 * and finds every balance by reading the diary from its beginning. A withdrawn import is struck from the diary; what
 * messages did stays in it.
 */
type Entry =
  | { readonly import: number; readonly asOfMs: number; readonly account: AccountLine }
  | { readonly import: number; readonly asOfMs: number; readonly hold: HoldLine }
  | { readonly account: string; readonly movement: string; readonly minor: number; readonly atMs: number }
  | { readonly does: 'place'; readonly id: string; readonly hold: Omit<BookedHold, 'file' | 'about'> }
  | {
      readonly does: 'lower' | 'close';
      readonly id: string;
      readonly about: About | null;
      readonly account: string;
      readonly minor: number;
      readonly atMs: number;
    };

/** What a message tells of the purchase whose hold it does not know. */
type About = Pick<MovementLine, 'card' | 'account' | 'purchase'>;

interface BookedAccount {
  statedMinor: number;
  limitMinor: number;
  asOfMs: number;
  statedBy: number | null;
  live: { minor: number; atMs: number }[];
}

interface BookedHold {
  account: string;
  minor: number;
  state: 'open' | 'closed' | 'ahead';
  placedBy: string | null;
  expiresAtMs: number;
  /** Of the last movement. */
  atMs: number;
  /** What the last file said of it. */
  file: { line: HoldLine; by: number } | null;
  about: About | null;
}

interface Books {
  readonly accounts: Map<string, BookedAccount>;
  readonly holds: Map<string, BookedHold>;
}

export class Oracle {
  #diary: Entry[] = [];
  /** Accounts that lost their file and stay for what messages did. */
  readonly #left = new Set<string>();
  readonly #currencyOf: (account: string) => string;

  constructor(currencyOf: (account: string) => string) {
    this.#currencyOf = currencyOf;
  }

  import(
    importNumber: number,
    asOfMs: number,
    accounts: readonly AccountLine[],
    holds: readonly HoldLine[],
  ): void {
    for (const account of accounts) this.#diary.push({ import: importNumber, asOfMs, account });
    const { accounts: here } = this.books();
    for (const hold of holds)
      if (here.has(hold.account)) this.#diary.push({ import: importNumber, asOfMs, hold });
  }

  withdraw(importNumber: number): void {
    this.#diary = this.#diary.filter((entry) => !('import' in entry) || entry.import !== importNumber);
    const { accounts, holds } = this.books();
    for (const [name, { statedBy }] of accounts) if (statedBy === null) this.#left.add(name);
    for (const { account, state } of holds.values())
      if (state === 'open' && !accounts.has(account)) this.#left.add(account);
  }

  books(): Books {
    const books: Books = { accounts: new Map(), holds: new Map() };
    for (const name of this.#left) accountOf(books, name);
    for (const entry of this.#diary) enter(books, entry);
    return books;
  }

  /** What the accounts and holds that an import stated last come to, as the file has it. */
  stated(importNumber: number): { posted: bigint; held: bigint } {
    const { accounts, holds } = this.books();
    return {
      posted: sum(
        [...accounts.values()].map((each) => (each.statedBy === importNumber ? each.statedMinor : 0)),
      ),
      held: sum(
        [...holds.values()].map(({ file }) => (file?.by === importNumber ? file.line.amountMinor : 0)),
      ),
    };
  }

  postedMinor = (name: string): bigint => posted(this.books(), name);
  heldMinor = (name: string): bigint => held(this.books(), name);

  move(line: MovementLine): MovementVerdict {
    const books = this.books();
    const account = books.accounts.get(line.account);
    if (!account) return 'unknown_account';
    const { movement, kind, amountMinor: minor, currency = 'PEN' } = line;
    const force = isForced(line);
    const isForeign = currency !== this.#currencyOf(line.account);
    const movedAtMs = line.movedAtMs ?? 1000;
    const isCovered = (line.covered ?? false) && movedAtMs < account.asOfMs;
    const id = holdNamed(books, line);
    const hold = id === undefined ? undefined : books.holds.get(id);
    const atMs = (name: string) => Math.max(movedAtMs, books.accounts.get(name)?.asOfMs ?? -Infinity);
    const free = posted(books, line.account) - held(books, line.account) + BigInt(account.limitMinor);
    const ran = this.#diary.some((entry) => 'movement' in entry && entry.movement === movement);
    const ahead = (remains: number) => {
      const ownId = id ?? line.hold ?? (line.purchase === undefined ? undefined : movement);
      if (ownId !== undefined && (!hold || (hold.state === 'ahead' && remains < hold.minor)))
        this.#deed('lower', ownId, line.account, remains, atMs, line);
    };
    const post = (gain: number) => {
      if (gain !== 0)
        this.#diary.push({ account: line.account, movement, minor: gain, atMs: atMs(line.account) });
    };

    switch (kind) {
      case 'inspect':
        if (isForeign) return 'wrong_currency';
        return force || free >= minor ? 'moved' : 'insufficient_funds';
      case 'hold': {
        if (hold?.state === 'open' || (hold && hold.placedBy === movement)) return 'already';
        if (isCovered) return 'covered';
        if (isForeign) return 'wrong_currency';
        if (hold?.state === 'closed' || (hold?.state === 'ahead' && hold.minor === 0)) return 'closed';
        const held = Math.min(minor, hold?.minor ?? Infinity);
        if (!force && free < held) return 'insufficient_funds';
        if (held === 0) return 'moved';
        this.#diary.push({
          does: 'place',
          id: line.hold!,
          hold: {
            account: line.account,
            minor: held,
            state: 'open',
            placedBy: movement,
            expiresAtMs: line.expiresAtMs ?? 9e12,
            atMs: atMs(line.account),
          },
        });
        return 'moved';
      }
      case 'release':
        if (hold?.state === 'closed' || (hold?.state === 'open' && hold.minor <= minor)) return 'already';
        if (isCovered) return 'covered';
        if (minor > 0 && currency !== this.#currencyOf(hold?.account ?? line.account))
          return 'wrong_currency';
        if (hold?.state !== 'open') {
          if (force) ahead(minor);
          return 'no_hold';
        }
        this.#deed(minor === 0 ? 'close' : 'lower', id!, hold.account, minor, atMs);
        return 'moved';
      case 'post': {
        if (ran) return 'already';
        if (isCovered) return 'covered';
        if (isForeign) return 'wrong_currency';
        const freed = hold?.state === 'open' && hold.account === line.account ? hold.minor : 0;
        if (!force && free + BigInt(freed) < minor) return 'insufficient_funds';
        if (hold?.state === 'open') this.#deed('close', id!, hold.account, 0, atMs);
        else ahead(0);
        post(-minor);
        return 'moved';
      }
      case 'refund':
        if (ran) return 'already';
        if (isCovered) return 'covered';
        if (isForeign) return 'wrong_currency';
        post(minor);
        return 'moved';
    }
  }

  expire(nowMs: number): void {
    for (const [id, { state, account, expiresAtMs }] of this.books().holds)
      if (state === 'open' && expiresAtMs <= nowMs) this.#deed('close', id, account, 0, () => nowMs);
  }

  #deed(
    does: 'lower' | 'close',
    id: string,
    account: string,
    minor: number,
    atMs: (account: string) => number,
    about: About | null = null,
  ): void {
    this.#diary.push({ does, id, about, account, minor, atMs: atMs(account) });
  }
}

const accountOf = ({ accounts }: Books, name: string): BookedAccount => {
  const none = { statedMinor: 0, limitMinor: 0, asOfMs: -Infinity, statedBy: null, live: [] };
  return accounts.get(name) ?? accounts.set(name, none).get(name)!;
};

function posted(books: Books, name: string): bigint {
  const { statedMinor, asOfMs, live } = books.accounts.get(name)!;
  return sum([statedMinor, ...live.map(({ minor, atMs }) => (atMs >= asOfMs ? minor : 0))]);
}

const held = ({ holds }: Books, name: string): bigint =>
  sum(
    [...holds.values()].map(({ account, state, minor }) =>
      account === name && state === 'open' ? minor : 0,
    ),
  );

/** Exact beyond what a number holds. */
const sum = (minor: readonly number[]): bigint => minor.reduce((total, each) => total + BigInt(each), 0n);

/** The hold that a message means: by its name, or one of a file by what both say of the purchase. */
function holdNamed({ holds }: Books, line: MovementLine): string | undefined {
  const named = line.hold ?? line.movement;
  if (holds.has(named)) return named;
  if (line.purchase === undefined || (line.by === 'trace number' && line.kind === 'hold')) return undefined;
  const card = line.card ?? `card of ${line.account}`;
  return [...holds]
    .filter(([, { file }]) => file?.line.card === card && file.line.purchase === line.purchase)
    .sort(([a, one], [b, other]) => {
      const closed = Number(one.state !== 'open') - Number(other.state !== 'open');
      return closed || (idOf(a) < idOf(b) ? -1 : 1);
    })[0]?.[0];
}

function enter(books: Books, entry: Entry): void {
  if ('does' in entry) enterDeed(books.holds, entry);
  else if ('movement' in entry) accountOf(books, entry.account).live.push(entry);
  else if ('hold' in entry) enterLine(books, entry);
  else {
    const account = accountOf(books, entry.account.account);
    if (account.statedBy === entry.import) return;
    account.statedMinor = entry.account.postedMinor;
    account.limitMinor = entry.account.limitMinor ?? 0;
    account.asOfMs = entry.asOfMs;
    account.statedBy = entry.import;
  }
}

function enterDeed(holds: Books['holds'], entry: Extract<Entry, { does: string }>): void {
  const { id } = entry;
  if (entry.does === 'place') {
    holds.set(id, { ...entry.hold, file: null, about: null });
    return;
  }
  const hold = holds.get(id);
  if (!hold) {
    const { account, minor, atMs, about } = entry;
    holds.set(id, {
      account,
      minor,
      atMs,
      state: 'ahead',
      placedBy: null,
      expiresAtMs: Infinity,
      file: null,
      about,
    });
    return;
  }
  hold.atMs = entry.atMs;
  if (hold.state === 'closed') return;
  hold.minor = Math.min(hold.minor, entry.minor);
  if (hold.state === 'open' && entry.does === 'close') hold.state = 'closed';
}

function enterLine({ holds }: Books, entry: Extract<Entry, { hold: HoldLine }>): void {
  const { hold: line, asOfMs } = entry;
  const isOfLine = ({ file }: BookedHold) => file === null || file.line.hold === line.hold;
  const live = holds.get(line.live);
  const ahead = [...holds]
    .filter(([id, hold]) => id !== line.hold && id !== line.live && isAheadOf(hold, line))
    .sort(([a], [b]) => (idOf(a) < idOf(b) ? -1 : 1));
  let here = holds.get(line.hold) ?? (live && isOfLine(live) ? live : undefined);
  if (!here && ahead.length > 0) {
    const [[id, hold]] = ahead;
    holds.delete(id);
    holds.set(line.hold, hold);
    here = hold;
  }
  const file = { line, by: entry.import };
  const { account, amountMinor: minor, expiresAtMs = 9e12 } = line;
  if (!here) {
    const atMs = -Infinity;
    holds.set(line.hold, {
      account,
      minor,
      state: 'open',
      placedBy: null,
      expiresAtMs,
      atMs,
      file,
      about: null,
    });
    return;
  }
  const isStated =
    here.file?.by === entry.import &&
    here.file.line.account === account &&
    here.file.line.amountMinor === minor &&
    here.file.line.purchase === line.purchase;
  here.file = file;
  if (isStated) return;
  here.account = account;
  here.expiresAtMs = expiresAtMs;
  const others = ahead.map(([, hold]) => hold);
  if (live && live !== here && live.state === 'ahead' && isOfLine(live)) others.push(live);
  const releases = here.state === 'ahead' ? [here, ...others] : [here];
  const since = releases.filter(({ atMs }) => atMs >= asOfMs);
  if (since.length === 0) {
    here.minor = minor;
    here.state = 'open';
  } else if (here.state === 'ahead') {
    here.minor = Math.min(minor, ...since.map((each) => each.minor));
    if (here.minor > 0) here.state = 'open';
  }
}

/** A release that did not know its hold, and that this line may be the hold of. */
const isAheadOf = ({ state, file, about }: BookedHold, line: HoldLine): boolean =>
  state === 'ahead' &&
  file === null &&
  about?.purchase === line.purchase &&
  (about?.card ?? `card of ${about?.account}`) === line.card;
