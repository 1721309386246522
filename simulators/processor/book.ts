import { Refusal } from '#runtime/refusal.ts';
import { C, O } from '../portfolio/fields.ts';
import type { Portfolio } from '../portfolio/read-portfolio.ts';

/**
 * The earlier processor's book: cards, accounts and holds, in memory. Whatever moves carries the moment at which
 * its message was transmitted, so that the book can also be read as it stood at an earlier second, though
 * messages have gone on since. Amounts are whole minor units as numbers, exact up to 2^53 - 1 like those of the
 * portfolio format.
 */
export class Book {
  readonly accounts = new Map<string, Account>();
  readonly #cardsById = new Map<string, Card>();
  readonly #cardsByPan = new Map<string, Card>();
  /** By card and RRN; a shop's several holds of one purchase differ in their approval codes. */
  readonly #holds = new Map<string, Hold[]>();
  readonly #open = new Set<Hold>();
  /** Holds that are closed, oldest first: they are still looked for by late messages. */
  readonly #closed = new Set<Hold>();
  /** Postings, in the order in which they came. */
  #journal: Posting[] = [];
  /** Nothing transmitted before this moment can be told apart any more. */
  #journalFromMs = 0;
  readonly #cuts = new Set<Cut>();
  #entered = 0;
  /** The boundary of the last file. */
  #statedAtMs = 0;
  /** What was transmitted before the boundary of a file and came after it had been written. */
  latecomers = 0;
  readonly tokens: (readonly string[])[] = [];
  binRanges: readonly string[] = [];

  static of(portfolio: Portfolio): Book {
    const book = new Book();
    book.binRanges = portfolio.binRanges;
    for (const fields of portfolio.cards) book.#takeCard(fields);
    for (const fields of portfolio.holds) book.#takeHold(fields);
    book.tokens.push(...portfolio.tokens);
    for (const card of book.cards()) card.isNew = false;
    for (const hold of book.#open) hold.isStated = true;
    book.#statedAtMs = portfolio.createdAtMs;
    return book;
  }

  cards(): IterableIterator<Card> {
    return this.#cardsById.values();
  }

  cardOf(pan: string): Card | undefined {
    return this.#cardsByPan.get(pan);
  }

  card(id: string): Card | undefined {
    return this.#cardsById.get(id);
  }

  openHolds(): IterableIterator<Hold> {
    return this.#open.values();
  }

  /** The holds of a purchase on a card, open or closed. */
  holdsOf(card: Card, rrn: string): readonly Hold[] {
    return this.#holds.get(`${card.id}|${rrn}`) ?? [];
  }

  /** Moves an account's balance: positive is the cardholder's gain. */
  post(account: Account, minor: number, movedAtMs: number): void {
    account.postedMinor += minor;
    this.#journal.push({ account, minor, movedAtMs });
    if (this.#journal.length > 2 * JOURNAL_MAX) this.#shortenJournal();
    this.#noteLate(movedAtMs);
    for (const cut of this.#cuts) cut.leaveOut(account, minor);
  }

  place(hold: NewHold): Hold {
    const placed = new Hold(hold, ++this.#entered);
    const key = `${hold.card.id}|${hold.rrn}`;
    const others = this.#holds.get(key);
    if (others) others.push(placed);
    else this.#holds.set(key, [placed]);
    this.#open.add(placed);
    hold.account.heldMinor += hold.amountMinor;
    this.#noteLate(hold.approvedAtMs);
    return placed;
  }

  /** Brings a hold down to what remains of it; one that is lower already stays as it is. */
  lower(hold: Hold, remainingMinor: number, movedAtMs: number): void {
    const isLower = remainingMinor < hold.remainingMinor;
    // What comes later but was transmitted before still counts for the book as of the time between.
    if (!isLower && !hold.changes.some((change) => change.movedAtMs > movedAtMs)) return;
    hold.changes.push({ remainingMinor, movedAtMs, entered: ++this.#entered });
    if (!isLower) return;
    hold.account.heldMinor -= hold.remainingMinor - remainingMinor;
    hold.remainingMinor = remainingMinor;
    hold.isStated = false;
    this.#noteLate(movedAtMs);
    if (remainingMinor > 0) return;
    this.#open.delete(hold);
    this.#closed.add(hold);
    if (this.#closed.size <= CLOSED_MAX) return;
    const [oldest] = this.#closed;
    this.#closed.delete(oldest);
    const key = `${oldest.card.id}|${oldest.rrn}`;
    const others = this.#holds.get(key)?.filter((each) => each !== oldest) ?? [];
    if (others.length > 0) this.#holds.set(key, others);
    else this.#holds.delete(key);
  }

  /** Closes the holds that nobody claimed in time. */
  expire(nowMs: number): number {
    let expired = 0;
    for (const hold of this.#open) {
      if (hold.expiresAtMs > nowMs) continue;
      this.lower(hold, 0, hold.expiresAtMs);
      expired++;
    }
    return expired;
  }

  /** A card's life outside of messages: blocked by phone, closed, limits changed. */
  change(card: Card, fields: Partial<Record<keyof typeof C, string>>): void {
    for (const [name, value] of Object.entries(fields)) {
      card.fields[C[name as keyof typeof C]] = value;
      card.changed.add(name);
    }
    card.readTerms();
  }

  /** A new card, as the line of a portfolio file describes it. */
  issue(fields: readonly string[]): Card {
    return this.#takeCard(fields);
  }

  /**
   * The book as of a moment, by the time of transmission. What comes while it is read is left out of it, also
   * what was transmitted before: such latecomers are counted.
   */
  cut(asOfMs: number): Cut {
    const since = this.#movedSince(asOfMs);
    const cut = new Cut(asOfMs, {
      entered: this.#entered,
      since,
      holds: [...this.#open, ...this.#closed],
      onClose: () => this.#cuts.delete(cut),
    });
    this.#cuts.add(cut);
    this.#statedAtMs = Math.max(this.#statedAtMs, asOfMs);
    return cut;
  }

  /**
   * Takes in a file that another processor hands back: its cards, balances and holds as of its moment. What this
   * book has moved since then stays moved. Cards of a version that is here already are passed over.
   */
  takeBack(portfolio: Portfolio): { cards: number; holds: number; passedOver: number } {
    const moved = this.#movedSince(portfolio.createdAtMs);
    const stated = new Set<string>();
    const taken = { cards: 0, holds: 0, passedOver: 0 };
    for (const fields of portfolio.cards) {
      const here = this.#cardsById.get(fields[C.external_card_id]);
      if (here && here.version >= Number(fields[C.version])) {
        taken.passedOver++;
        continue;
      }
      const card = this.#takeCard(fields);
      card.isNew = false;
      taken.cards++;
      if (stated.has(card.account.id)) continue;
      stated.add(card.account.id);
      card.account.postedMinor = Number(fields[C.posted_minor]) + (moved.get(card.account) ?? 0);
      card.account.statedAtMs = portfolio.createdAtMs;
    }
    const { latecomers } = this;
    for (const fields of portfolio.holds) if (this.#takeHold(fields)) taken.holds++;
    this.latecomers = latecomers; // what a file says is not late, however long ago it was
    return taken;
  }

  /** What was moved at or after a moment, by account. */
  #movedSince(ms: number): Map<Account, number> {
    if (ms < this.#journalFromMs)
      throw new Refusal(
        'too_long_ago',
        'The book no longer tells apart what was moved before and after that time.',
        {
          advice: 'Ask for a moment of the last minutes.',
        },
      );
    const moved = new Map<Account, number>();
    for (const { account, minor, movedAtMs } of this.#journal)
      if (movedAtMs >= ms) moved.set(account, (moved.get(account) ?? 0) + minor);
    return moved;
  }

  #takeCard(sent: readonly string[]): Card {
    const id = sent[C.external_card_id];
    const account = this.#accountOf(sent);
    const here = this.#cardsById.get(id);
    const fields = [...sent];
    if (here && sent[C.operation] !== 'upsert') {
      // Only the status of such a line counts; every other field is sent again as it was.
      here.fields[C.version] = sent[C.version];
      here.fields[C.status] = sent[C.operation] === 'close' ? 'closed' : sent[C.status];
      here.fields[C.status_reason] = sent[C.status_reason];
      here.readTerms();
      return here;
    }
    if (here) {
      if (here.pan !== fields[C.pan]) this.#cardsByPan.delete(here.pan);
      here.fields = fields;
      here.account = account;
      here.readTerms();
      this.#cardsByPan.set(here.pan, here);
      return here;
    }
    const card = new Card(fields, account);
    this.#cardsById.set(id, card);
    this.#cardsByPan.set(card.pan, card);
    return card;
  }

  #accountOf(fields: readonly string[]): Account {
    const id = fields[C.external_account_id];
    const here = this.accounts.get(id);
    if (here) {
      here.creditLimitMinor = Number(fields[C.credit_limit_minor]);
      return here;
    }
    const account: Account = {
      id,
      type: fields[C.account_type],
      currency: fields[C.currency],
      postedMinor: Number(fields[C.posted_minor]),
      creditLimitMinor: Number(fields[C.credit_limit_minor]),
      heldMinor: 0,
      statedAtMs: 0,
    };
    this.accounts.set(id, account);
    return account;
  }

  /** A hold that is here already is brought down to what is stated; one that was closed since stays closed. */
  #takeHold(fields: readonly string[]): boolean {
    const card = this.#cardsById.get(fields[O.external_card_id]);
    if (!card) return false;
    const amountMinor = Number(fields[O.amount_minor]);
    const approvedAtMs = Date.parse(fields[O.approved_at]);
    const here = this.holdsOf(card, fields[O.rrn]).find(
      (hold) => hold.approvalCode === fields[O.approval_code],
    );
    if (here) {
      this.lower(here, amountMinor, approvedAtMs);
      here.isStated = true;
      return false;
    }
    const hold = this.place({
      id: fields[O.external_hold_id],
      card,
      account: card.account,
      amountMinor,
      approvalCode: fields[O.approval_code],
      stan: fields[O.stan],
      rrn: fields[O.rrn],
      merchantName: fields[O.merchant_name],
      mcc: fields[O.mcc],
      approvedAtMs,
      expiresAtMs: Date.parse(fields[O.expires_at]),
    });
    hold.isStated = true;
    return true;
  }

  #noteLate(movedAtMs: number): void {
    if (movedAtMs < this.#statedAtMs) this.latecomers++;
  }

  #shortenJournal(): void {
    const gone = this.#journal.splice(0, this.#journal.length - JOURNAL_MAX);
    for (const { movedAtMs } of gone) this.#journalFromMs = Math.max(this.#journalFromMs, movedAtMs + 1);
  }
}

/** Postings that are remembered one by one: minutes of them at thousands a second. */
const JOURNAL_MAX = 500_000;
/** Closed holds that are remembered. */
const CLOSED_MAX = 300_000;

export interface Account {
  readonly id: string;
  readonly type: string;
  /** ISO 4217 letters. */
  readonly currency: string;
  postedMinor: number;
  creditLimitMinor: number;
  heldMinor: number;
  /** As of when another processor handed it back; 0 for never. What advices tell of earlier times is in it. */
  statedAtMs: number;
}

/** A card as its line describes it, and what it has spent. */
export class Card {
  readonly id: string;
  fields: string[];
  account: Account;
  pan = '';
  /** `YYMM`: good to the end of that month. */
  expiry = '';
  status = '';
  version = 0;
  /** Null for none. */
  dailyLimitMinor: number | null = null;
  monthlyLimitMinor: number | null = null;
  /** No file has had it yet. */
  isNew = true;
  /** Its fields that have changed since the last file. */
  readonly changed = new Set<string>();
  #spent = { day: '', dayMinor: 0, month: '', monthMinor: 0 };

  constructor(fields: string[], account: Account) {
    this.id = fields[C.external_card_id];
    this.fields = fields;
    this.account = account;
    this.readTerms();
  }

  readTerms(): void {
    this.pan = this.fields[C.pan];
    this.expiry = this.fields[C.expiry];
    this.status = this.fields[C.status];
    this.version = Number(this.fields[C.version]);
    this.dailyLimitMinor = limitOf(this.fields[C.daily_limit_minor]);
    this.monthlyLimitMinor = limitOf(this.fields[C.monthly_limit_minor]);
  }

  /** What was spent on the UTC day and in the month of a moment. */
  spentAt(ms: number): { dayMinor: number; monthMinor: number } {
    const day = dayOf(ms);
    const spent = this.#spent;
    return {
      dayMinor: day <= spent.day ? spent.dayMinor : 0,
      monthMinor: day.slice(0, 7) <= spent.month ? spent.monthMinor : 0,
    };
  }

  spend(minor: number, ms: number): void {
    const { dayMinor, monthMinor } = this.spentAt(ms);
    const day = [dayOf(ms), this.#spent.day].sort()[1];
    this.#spent = { day, dayMinor: dayMinor + minor, month: day.slice(0, 7), monthMinor: monthMinor + minor };
  }

  /** What is reversed may be spent again, on the day and in the month of its approval. */
  giveBack(minor: number, approvedAtMs: number, nowMs: number): void {
    this.spend(0, nowMs);
    const spent = this.#spent;
    const day = dayOf(approvedAtMs);
    if (day === spent.day) spent.dayMinor = Math.max(0, spent.dayMinor - minor);
    if (day.startsWith(spent.month)) spent.monthMinor = Math.max(0, spent.monthMinor - minor);
  }
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const limitOf = (text: string): number | null => (text === '' ? null : Number(text));

interface Posting {
  readonly account: Account;
  readonly minor: number;
  readonly movedAtMs: number;
}

export interface NewHold {
  readonly id: string;
  readonly card: Card;
  readonly account: Account;
  readonly amountMinor: number;
  readonly approvalCode: string;
  readonly stan: string;
  readonly rrn: string;
  readonly merchantName: string;
  readonly mcc: string;
  readonly approvedAtMs: number;
  readonly expiresAtMs: number;
}

/** Money reserved. It is lowered by partial reversals, and closed by reversal, clearing or expiry. */
export class Hold {
  readonly id: string;
  readonly card: Card;
  readonly account: Account;
  readonly amountMinor: number;
  approvalCode: string;
  readonly stan: string;
  readonly rrn: string;
  readonly merchantName: string;
  readonly mcc: string;
  readonly approvedAtMs: number;
  readonly expiresAtMs: number;
  remainingMinor: number;
  /** The running number under which it came into the book. */
  readonly entered: number;
  readonly changes: {
    readonly remainingMinor: number;
    readonly movedAtMs: number;
    readonly entered: number;
  }[] = [];
  /** The last file has it as it is. */
  isStated = false;

  constructor(hold: NewHold, entered: number) {
    this.id = hold.id;
    this.card = hold.card;
    this.account = hold.account;
    this.amountMinor = hold.amountMinor;
    this.approvalCode = hold.approvalCode;
    this.stan = hold.stan;
    this.rrn = hold.rrn;
    this.merchantName = hold.merchantName;
    this.mcc = hold.mcc;
    this.approvedAtMs = hold.approvedAtMs;
    this.expiresAtMs = hold.expiresAtMs;
    this.remainingMinor = hold.amountMinor;
    this.entered = entered;
  }
}

/** The book as of a moment. It is read piece by piece while messages go on, and closed in the end. */
export class Cut {
  readonly asOfMs: number;
  readonly #entered: number;
  readonly #since: Map<Account, number>;
  readonly #holds: readonly Hold[];
  readonly close: () => void;

  constructor(
    asOfMs: number,
    from: {
      entered: number;
      since: Map<Account, number>;
      holds: readonly Hold[];
      onClose: () => void;
    },
  ) {
    this.asOfMs = asOfMs;
    this.#entered = from.entered;
    this.#since = from.since;
    this.#holds = from.holds;
    this.close = from.onClose;
  }

  leaveOut(account: Account, minor: number): void {
    this.#since.set(account, (this.#since.get(account) ?? 0) + minor);
  }

  postedMinor(account: Account): number {
    return account.postedMinor - (this.#since.get(account) ?? 0);
  }

  /** The holds that were open, with what remained of them. */
  *holds(): Generator<{ hold: Hold; remainingMinor: number }> {
    for (const hold of this.#holds) {
      const remainingMinor = this.#remainingOf(hold);
      if (remainingMinor > 0) yield { hold, remainingMinor };
    }
  }

  #remainingOf(hold: Hold): number {
    if (hold.approvedAtMs >= this.asOfMs) return 0;
    let remaining = hold.amountMinor;
    for (const { remainingMinor, movedAtMs, entered } of hold.changes)
      if (movedAtMs < this.asOfMs && entered <= this.#entered)
        remaining = Math.min(remaining, remainingMinor);
    return remaining;
  }
}
