import type { SimulatedAccount, SimulatedCard, SimulatedHold, StatedHold } from './portfolio.ts';

export interface Balance {
  readonly postedMinor: number;
  readonly heldMinor: number;
}

/** A message whose answer is known: what the model goes by, and nothing else. */
export interface Answered {
  /** The first three digits of its message type. */
  readonly type: string;
  readonly card: SimulatedCard;
  /** Fields 7, 11, 32 and 37. */
  readonly key: string;
  readonly rrn: string;
  readonly isCredit: boolean;
  readonly amountMinor: number;
  /** Field 38 as sent and as answered. */
  readonly sentApproval: string | undefined;
  readonly answeredApproval: string | undefined;
  /** It tells of a decline. */
  readonly isDecline: boolean;
  /** The key of what field 90 names, and its STAN. */
  readonly originalKey: string | undefined;
  readonly originalStan: string | undefined;
  readonly stan: string;
  readonly leftMinor: number;
  readonly movedMs: number;
  readonly code: string;
}

/** Money that a message has held, or moved for good. */
export interface Entry {
  readonly card: SimulatedCard;
  readonly rrn: string;
  readonly isHold: boolean;
  readonly sign: 1 | -1;
  readonly amountMinor: number;
  /** What a file has counted of it already. */
  counted: number;
  isCleared: boolean;
  isExpired: boolean;
  /** What a file would say of it. */
  readonly expiresMs: number;
  /** What a file says of a hold that messages placed; null for others. */
  named: { readonly rrn: string; readonly stan: string; readonly approvalCode: string } | null;
}

export const HOLD_MS = 7 * 86_400_000;

/**
 * What every account should come to: the file's word and what was answered since. It decides nothing: an approval
 * counts because it was answered, a reversal takes back its original whether it comes before it or after it, a
 * clearing ends the hold of its card, RRN and approval code. It shares no code with the ledger.
 */
export class Model {
  readonly #base = new Map<string, number>();
  readonly entries = new Map<string, Entry>();
  /** What reversals leave of the purchases that they name. */
  readonly #left = new Map<string, number>();
  readonly #keyOfHold = new Map<string, string>();
  readonly #keyOfEarlierStan = new Map<string, string>();
  readonly #clearedAhead = new Set<string>();
  /** What reversals leave of holds that they name by RRN and approval code, and that nobody has told of yet. */
  readonly #leftAhead = new Map<string, number>();
  /** Accounts that were moved without being asked: by advices, and by what was taken back. */
  readonly forced = new Set<string>();

  constructor(cards: readonly SimulatedCard[], expiresMs: number) {
    for (const card of cards) {
      this.#base.set(card.account.id, card.account.postedMinor);
      for (const hold of card.holds) this.takeHold(card, hold, expiresMs);
    }
  }

  /** A hold that a file brings. */
  takeHold(card: SimulatedCard, hold: SimulatedHold, expiresMs: number): void {
    const { id, amountMinor, rrn, stan, approvalCode } = hold;
    this.entries.set(id, newEntry({ card, rrn, isHold: true, sign: -1, amountMinor, expiresMs }));
    this.#keyOfHold.set(`${card.id}|${rrn}|${approvalCode}`, id);
    this.#keyOfEarlierStan.set(`${card.id}|${rrn}|${stan}`, id);
  }

  enter(answered: Answered): void {
    if (answered.code !== '00') return;
    switch (answered.type) {
      case '010':
      case '012':
        return this.#hold(answered);
      case '020':
      case '022':
        return this.#post(answered);
      case '040':
      case '042':
        return this.#reverse(answered);
    }
  }

  /** A request was answered otherwise than it is on record: what was entered for it has not happened. */
  withdraw({ key, card, rrn, answeredApproval }: Answered): void {
    this.entries.delete(key);
    const name = `${card.id}|${rrn}|${answeredApproval ?? ''}`;
    if (this.#keyOfHold.get(name) === key) this.#keyOfHold.delete(name);
  }

  /** What purchases of an account hold has expired. */
  expire({ id }: Pick<SimulatedAccount, 'id'>, rrns: ReadonlySet<string>): void {
    for (const entry of this.entries.values())
      if (entry.isHold && entry.card.account.id === id && rrns.has(entry.rrn)) entry.isExpired = true;
  }

  /** A file states an account: what was entered so far is in it, and `by` beyond that. */
  state(account: SimulatedAccount, by: number): void {
    this.#base.set(account.id, this.balanceOf(account).postedMinor + by);
    for (const [key, entry] of this.entries)
      if (entry.card.account === account) entry.counted = this.#posted(key, entry);
  }

  /** Open holds that messages have placed, as a file would name them. */
  openHolds(): StatedHold[] {
    return [...this.entries].flatMap(([key, entry]) => {
      const amountMinor = this.heldOf(key, entry);
      const { card, expiresMs, named } = entry;
      return named && amountMinor > 0
        ? [{ id: `live-${named.rrn}`, card, amountMinor, expiresMs, ...named }]
        : [];
    });
  }

  balanceOf(account: SimulatedAccount): Balance {
    let postedMinor = this.#base.get(account.id)!;
    let heldMinor = 0;
    for (const [key, entry] of this.entries) {
      if (entry.card.account !== account) continue;
      postedMinor += this.#posted(key, entry) - entry.counted;
      heldMinor += this.heldOf(key, entry);
    }
    return { postedMinor, heldMinor };
  }

  /** What messages have moved for good, also what a file has counted since, by RRN. */
  postedByPurchase(account: SimulatedAccount): Map<string, number> {
    const posted = new Map<string, number>();
    for (const [key, entry] of this.entries) {
      const minor = entry.card.account.id === account.id ? this.#posted(key, entry) : 0;
      if (minor !== 0) posted.set(entry.rrn, (posted.get(entry.rrn) ?? 0) + minor);
    }
    return posted;
  }

  /** What it knows of purchases of an account; of all of them where none is named. */
  told({ id }: SimulatedAccount, rrns: readonly string[] = []): string[] {
    return [...this.entries]
      .filter(([, { card, rrn }]) => card.account.id === id && (rrns.length === 0 || rrns.includes(rrn)))
      .map(([key, { rrn, isHold, sign, amountMinor, isCleared, isExpired }]) => {
        const ends = [isCleared && 'cleared', isExpired && 'expired'].filter(Boolean).join(', ');
        const left = this.#left.get(key);
        const reversed = left === undefined ? '' : `, reversed to ${left}`;
        return `should be  ${isHold ? 'hold' : 'posting'} 37=${rrn} ${sign * amountMinor}${reversed} ${ends}`.trim();
      });
  }

  /** By RRN. */
  heldByPurchase(account: SimulatedAccount): Map<string, number> {
    const held = new Map<string, number>();
    for (const [key, entry] of this.entries) {
      const minor = entry.card.account.id === account.id ? this.heldOf(key, entry) : 0;
      if (minor > 0) held.set(entry.rrn, (held.get(entry.rrn) ?? 0) + minor);
    }
    return held;
  }

  /** Purchases whose holds have expired, by RRN. */
  expired(account: SimulatedAccount): string[] {
    return [...this.entries.values()]
      .filter(({ card, isExpired }) => isExpired && card.account.id === account.id)
      .map(({ rrn }) => rrn);
  }

  heldOf(key: string, entry: Entry): number {
    if (!entry.isHold || entry.isCleared || entry.isExpired) return 0;
    return Math.min(entry.amountMinor, this.#left.get(key) ?? Infinity);
  }

  #posted(key: string, entry: Entry): number {
    if (entry.isHold) return 0;
    return entry.sign * Math.min(entry.amountMinor, this.#left.get(key) ?? Infinity);
  }

  #hold(answered: Answered): void {
    const { key, card, rrn, isCredit, amountMinor, type, isDecline, movedMs } = answered;
    const isAdvice = type === '012';
    const known = this.entries.get(key);
    if (isDecline) return known && void this.#left.set(key, 0);
    if (isCredit) return;
    if (isAdvice) this.forced.add(card.account.id);
    const name = `${card.id}|${rrn}|${(answered.sentApproval ?? answered.answeredApproval)!}`;
    if (known) {
      const isRenamed = isAdvice && answered.sentApproval !== undefined && !this.#keyOfHold.has(name);
      // What somebody vouches for anew is held anew.
      if (isRenamed) known.isExpired = false;
    } else {
      const expiresMs = movedMs + HOLD_MS;
      this.entries.set(key, newEntry({ card, rrn, isHold: true, sign: -1, amountMinor, expiresMs }));
    }
    this.#keyOfHold.set(name, key);
    const ahead = this.#leftAhead.get(name);
    if (ahead !== undefined) this.#leave(key, ahead);
    const approvalCode = (answered.sentApproval ?? answered.answeredApproval)!;
    this.entries.get(key)!.named = { rrn, stan: answered.stan, approvalCode };
    if (this.#clearedAhead.has(name)) this.entries.get(key)!.isCleared = true;
  }

  #post(answered: Answered): void {
    const { key, card, rrn, isCredit, amountMinor, type, isDecline, sentApproval } = answered;
    if (isDecline) return this.entries.has(key) ? void this.#left.set(key, 0) : undefined;
    if (type === '022') this.forced.add(card.account.id);
    if (!this.entries.has(key))
      this.entries.set(
        key,
        newEntry({ card, rrn, isHold: false, sign: isCredit ? 1 : -1, amountMinor, expiresMs: 0 }),
      );
    if (isCredit || type !== '022' || sentApproval === undefined) return;
    const name = `${card.id}|${rrn}|${sentApproval}`;
    const held = this.#keyOfHold.get(name);
    if (held === undefined) this.#clearedAhead.add(name);
    else this.entries.get(held)!.isCleared = true;
  }

  #reverse({ card, rrn, originalKey, originalStan, sentApproval, leftMinor, isCredit }: Answered): void {
    if (isCredit) this.forced.add(card.account.id);
    const name = `${card.id}|${rrn}|${sentApproval!}`;
    const key =
      originalKey === undefined
        ? this.#keyOfHold.get(name)
        : (this.#keyOfEarlierStan.get(`${card.id}|${rrn}|${originalStan!}`) ?? originalKey);
    if (key !== undefined) this.#leave(key, leftMinor);
    else this.#leftAhead.set(name, Math.min(leftMinor, this.#leftAhead.get(name) ?? Infinity));
  }

  #leave(key: string, leftMinor: number): void {
    this.#left.set(key, Math.min(leftMinor, this.#left.get(key) ?? Infinity));
  }
}

const newEntry = (
  of: Pick<Entry, 'card' | 'rrn' | 'isHold' | 'sign' | 'amountMinor' | 'expiresMs'>,
): Entry => ({
  ...of,
  counted: 0,
  isCleared: false,
  isExpired: false,
  named: null,
});
