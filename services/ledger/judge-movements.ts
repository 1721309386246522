import type { MovementKind, MovementOutcome, MovementVerdict } from './service.ts';

/** A row of `moveForMessages` as far as it is judged here. */
export interface Movement {
  /** Where the row stands in its batch. */
  readonly index: number;
  readonly line: number;
  readonly movementId: string;
  readonly kind: MovementKind;
  readonly accountId: string;
  readonly holdId: string | null;
  /** It tells by RRN and approval code or trace number which purchase it is about. */
  readonly namesPurchase: boolean;
  readonly amountMinor: number;
  readonly currency: string;
  readonly force: boolean;
  readonly covered: boolean;
  readonly movedAtMs: number;
}

/** A cardholder's account, locked. */
export interface Account {
  readonly accountId: string;
  readonly currency: string;
  readonly creditLimitMinor: bigint;
  /** The moment that the last file of the account speaks of, where a movement took place before it. */
  readonly statedAsOfMs: number;
  /** A row that names it. */
  readonly index: number | null;
  postedMinor: bigint;
  heldMinor: bigint;
}

/** `ahead` is the release that came before its hold. */
export type ClosedBy = 'release' | 'clearing' | 'expiry' | 'ahead';

export interface Hold {
  readonly holdId: string;
  accountId: string;
  /** What it holds; closed, what it held last; ahead, what is to remain of it. */
  amountMinor: bigint;
  /** The movement that placed it; null for a hold of a file, or one whose release is ahead. */
  placedBy: string | null;
  closedBy: ClosedBy | null;
  closedAtMs: number | null;
  /** The row of the last movement of this call that touched it, and when that took place. */
  touchedIndex: number | null;
  touchedAtMs: number;
  /** The row of this call that the hold is written from; null for one that is only changed. */
  index: number | null;
  /** It stands in the ledger already. */
  readonly isHere: boolean;
}

/** What the ledger holds of what the movements name. */
export interface Here {
  readonly accounts: ReadonlyMap<string, Account>;
  /** By id. */
  readonly holds: Map<string, Hold>;
  /** Holds of files that a row names by RRN and approval code or trace number, by its line, the latest first. */
  readonly holdsOfFiles: ReadonlyMap<number, readonly Hold[]>;
  /** Movements that have moved money before. */
  readonly moved: Set<string>;
}

export interface Transfer {
  readonly index: number;
  readonly reason: 'posted' | 'refund';
  readonly movedAtMs: number;
}

/** What a call comes to: how each row ended, and what has to be written for it. */
export interface Judged {
  readonly outcomes: MovementOutcome[];
  readonly accounts: Set<Account>;
  readonly holds: Set<Hold>;
  readonly transfers: Transfer[];
  /** What the settlement accounts gain, in minor units by currency. */
  readonly settled: Map<string, bigint>;
}

/**
 * Judges movements one after the other, each by what those before it have left, and enters them into `here`.
 * Nothing is read or written: the accounts are locked, so nobody else moves them meanwhile.
 */
export function judgeMovements(movements: readonly Movement[], here: Here): Judged {
  const judgement = new Judgement(here);
  const outcomes = movements.map((movement): MovementOutcome => {
    const { line } = movement;
    const account = here.accounts.get(movement.accountId);
    if (!account)
      return { line, verdict: 'unknown_account', postedMinor: 0n, heldMinor: 0n, availableMinor: 0n };
    const verdict = judgement.judge(movement, account);
    const { postedMinor, heldMinor } = account;
    return { line, verdict, postedMinor, heldMinor, availableMinor: available(account) };
  });
  const { accounts, holds, transfers, settled } = judgement;
  return { outcomes, accounts, holds, transfers, settled };
}

const available = ({ postedMinor, heldMinor, creditLimitMinor }: Account): bigint =>
  postedMinor - heldMinor + creditLimitMinor;

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** What a file does not cover although it took place before, counts from the moment that the file speaks of. */
const countsFromMs = ({ movedAtMs }: Movement, { statedAsOfMs }: Account): number =>
  Math.max(movedAtMs, statedAsOfMs);

class Judgement {
  readonly accounts = new Set<Account>();
  readonly holds = new Set<Hold>();
  readonly transfers: Transfer[] = [];
  readonly settled = new Map<string, bigint>();
  readonly #here: Here;

  constructor(here: Here) {
    this.#here = here;
  }

  /** The refusals stand in the order of their precedence. */
  judge(movement: Movement, account: Account): MovementVerdict {
    switch (movement.kind) {
      case 'hold':
        return this.#hold(movement, account);
      case 'release':
        return this.#release(movement, account);
      case 'post':
        return this.#post(movement, account);
      case 'refund':
        return this.#refund(movement, account);
      case 'inspect':
        if (movement.currency !== account.currency) return 'wrong_currency';
        return this.#fits(movement, account) ? 'moved' : 'insufficient_funds';
    }
  }

  #hold(movement: Movement, account: Account): MovementVerdict {
    const known = this.#find(movement);
    if (known && (known.closedBy === null || known.placedBy === movement.movementId)) return 'already';
    if (isCovered(movement, account)) return 'covered';
    if (movement.currency !== account.currency) return 'wrong_currency';
    if (known && (known.closedBy !== 'ahead' || known.amountMinor === 0n)) return 'closed';
    let amountMinor = BigInt(movement.amountMinor);
    if (known) amountMinor = least(amountMinor, known.amountMinor);
    if (!this.#fits(movement, account, amountMinor)) return 'insufficient_funds';
    if (amountMinor === 0n) return 'moved';
    this.#place(movement, account, { amountMinor, placedBy: movement.movementId, closedBy: null }, known);
    account.heldMinor += amountMinor;
    this.accounts.add(account);
    return 'moved';
  }

  #release(movement: Movement, account: Account): MovementVerdict {
    const hold = this.#find(movement);
    const remainsMinor = BigInt(movement.amountMinor);
    if (hold && hold.closedBy !== 'ahead' && (hold.closedBy !== null || hold.amountMinor <= remainsMinor))
      return 'already';
    if (isCovered(movement, account)) return 'covered';
    if (remainsMinor > 0n && movement.currency !== this.#currencyOf(hold, account)) return 'wrong_currency';
    if (!hold || hold.closedBy === 'ahead') {
      if (movement.force) this.#releaseAhead(movement, account, hold, remainsMinor);
      return 'no_hold';
    }
    if (remainsMinor > 0n) this.#lower(movement, hold, remainsMinor);
    else this.#close(movement, hold, 'release');
    return 'moved';
  }

  #post(movement: Movement, account: Account): MovementVerdict {
    if (this.#here.moved.has(movement.movementId)) return 'already';
    if (isCovered(movement, account)) return 'covered';
    if (movement.currency !== account.currency) return 'wrong_currency';
    const hold = this.#find(movement);
    const isOpen = hold !== undefined && hold.closedBy === null;
    const amountMinor = BigInt(movement.amountMinor);
    const freedMinor = isOpen && hold.accountId === account.accountId ? hold.amountMinor : 0n;
    if (!this.#fits(movement, account, amountMinor - freedMinor)) return 'insufficient_funds';
    if (isOpen) this.#close(movement, hold, 'clearing');
    else if (!hold || hold.closedBy === 'ahead') this.#releaseAhead(movement, account, hold, 0n);
    this.#transfer(movement, account, 'posted', -amountMinor);
    return 'moved';
  }

  #refund(movement: Movement, account: Account): MovementVerdict {
    if (this.#here.moved.has(movement.movementId)) return 'already';
    if (isCovered(movement, account)) return 'covered';
    if (movement.currency !== account.currency) return 'wrong_currency';
    this.#transfer(movement, account, 'refund', BigInt(movement.amountMinor));
    return 'moved';
  }

  /** Of several holds of files an open one is meant. */
  #find({ holdId, movementId, line }: Movement): Hold | undefined {
    const named = this.#here.holds.get(holdId ?? movementId);
    if (named) return named;
    const ofFiles = this.#here.holdsOfFiles.get(line);
    return ofFiles?.find(({ closedBy }) => closedBy === null) ?? ofFiles?.[0];
  }

  #fits({ force, amountMinor }: Movement, account: Account, neededMinor = BigInt(amountMinor)): boolean {
    return force || available(account) >= neededMinor;
  }

  #currencyOf(hold: Hold | undefined, account: Account): string {
    return (hold && this.#here.accounts.get(hold.accountId)?.currency) ?? account.currency;
  }

  /**
   * Remembers what is to remain of a hold that has not come yet: under its id or, where that is not known, under the
   * movement's own, to be met by the hold of a file of the same purchase.
   */
  #releaseAhead(movement: Movement, account: Account, hold: Hold | undefined, remainsMinor: bigint): void {
    if (hold === undefined) {
      if (movement.holdId === null && !movement.namesPurchase) return;
      this.#place(movement, account, { amountMinor: remainsMinor, placedBy: null, closedBy: 'ahead' });
    } else if (remainsMinor < hold.amountMinor) {
      hold.amountMinor = remainsMinor;
      this.#touch(movement, hold, account);
    }
  }

  /** Writes a hold from the row: a new one, or one over what was remembered of it. */
  #place(
    movement: Movement,
    account: Account,
    { amountMinor, placedBy, closedBy }: Pick<Hold, 'amountMinor' | 'placedBy' | 'closedBy'>,
    known?: Hold,
  ): void {
    const hold: Hold = {
      holdId: movement.holdId ?? movement.movementId,
      accountId: account.accountId,
      amountMinor,
      placedBy,
      closedBy,
      closedAtMs: closedBy && countsFromMs(movement, account),
      touchedIndex: null,
      touchedAtMs: 0,
      index: movement.index,
      isHere: known?.isHere ?? false,
    };
    if (known) this.holds.delete(known);
    this.#here.holds.set(hold.holdId, hold);
    this.#touch(movement, hold, account);
  }

  #lower(movement: Movement, hold: Hold, remainsMinor: bigint): void {
    const account = this.#here.accounts.get(hold.accountId)!;
    account.heldMinor -= hold.amountMinor - remainsMinor;
    hold.amountMinor = remainsMinor;
    this.accounts.add(account);
    this.#touch(movement, hold, account);
  }

  #close(movement: Movement, hold: Hold, closedBy: ClosedBy): void {
    const account = this.#here.accounts.get(hold.accountId)!;
    account.heldMinor -= hold.amountMinor;
    hold.closedBy = closedBy;
    hold.closedAtMs = countsFromMs(movement, account);
    this.accounts.add(account);
    this.#touch(movement, hold, account);
  }

  #touch(movement: Movement, hold: Hold, account: Account): void {
    hold.touchedIndex = movement.index;
    hold.touchedAtMs = countsFromMs(movement, account);
    this.holds.add(hold);
  }

  #transfer(movement: Movement, account: Account, reason: Transfer['reason'], gainMinor: bigint): void {
    if (gainMinor === 0n) return; // a clearing of nothing releases its hold and moves no money
    account.postedMinor += gainMinor;
    this.accounts.add(account);
    this.#here.moved.add(movement.movementId);
    this.transfers.push({ index: movement.index, reason, movedAtMs: countsFromMs(movement, account) });
    const settledMinor = this.settled.get(account.currency) ?? 0n;
    this.settled.set(account.currency, settledMinor - gainMinor);
  }
}

const isCovered = ({ covered, movedAtMs }: Movement, { statedAsOfMs }: Account): boolean =>
  covered && movedAtMs < statedAsOfMs;
