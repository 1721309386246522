import { C, O } from '../portfolio/fields.ts';
import type { Portfolio } from '../portfolio/read-portfolio.ts';
import { acquirerOf, isCredit, purchaseKey } from '../wire/classes.ts';
import type { Original } from '../wire/original.ts';

/** A message of the network and how it ended: what a reckoning goes by, and nothing else. */
export interface Told {
  readonly mti: string;
  readonly card: { readonly id: string; readonly accountId: string };
  readonly processingCode: string;
  readonly amountMinor: number;
  readonly field7: string;
  readonly stan: number;
  readonly rrn: string;
  readonly merchant: { readonly acquirer: string };
  /** Field 38 as sent, or empty. */
  readonly approvalCode: string;
  /** Field 39 as sent, or empty. */
  readonly advisedCode: string;
  readonly original: Original | null;
  readonly leftMinor: number | null;
  /** Field 39 of the answer, or empty when there was none. */
  readonly code: string;
  /** Field 38 of the answer, or empty. */
  readonly answeredApproval: string;
}

export interface Balance {
  readonly postedMinor: number;
  readonly heldMinor: number;
}

/** Money reserved for a purchase. */
interface Reservation {
  readonly accountId: string;
  readonly amountMinor: number;
  readonly expiresAtMs: number;
}

interface Movement {
  readonly accountId: string;
  /** Positive is the cardholder's gain. */
  readonly minor: number;
}

export interface ReckoningOptions {
  /** How long the holds of answered authorisations last. */
  readonly holdDays?: number;
  readonly now?: () => number;
}

const DAY_MS = 86_400_000;

/**
 * What every account should come to, from what a file said of it and what was sent and answered since. It decides
 * nothing and knows no order: an approval counts because it was answered, a reversal takes back its original
 * whether it came before or after, a clearing ends the reservation of its card, RRN and approval code. It shares no
 * code with a ledger or a processor's book, so that both can be held against it.
 *
 * A request that was never answered has an unknown outcome. Its reversal settles it; without one it is unresolved,
 * and its account cannot be judged.
 */
export class Reckoning {
  readonly #holdMs: number;
  readonly #now: () => number;
  readonly #opening = new Map<string, number>();
  readonly #accountOfCard = new Map<string, string>();
  /** By the key of the request that was approved: fields 7, 11, 32 and 37. */
  readonly #reservations = new Map<string, Reservation>();
  readonly #movements = new Map<string, Movement>();
  /** The requests behind card, RRN and approval code. */
  readonly #keyOfApproval = new Map<string, string>();
  /** Imported holds by card, RRN and STAN: a portfolio file does not say their acquirers. */
  readonly #keyOfEarlierStan = new Map<string, string>();
  /** What reversals have left of the requests they name. */
  readonly #left = new Map<string, number>();
  readonly #cleared = new Set<string>();
  /** Clearings, by card, RRN and approval code: their reservation may be told later. */
  readonly #clearings = new Set<string>();
  readonly #unknown = new Map<string, string>();

  /** `opening` is the full portfolio file; with later cards it is told by `open`. */
  constructor(opening: Portfolio, { holdDays = 7, now = Date.now }: ReckoningOptions = {}) {
    this.#holdMs = holdDays * DAY_MS;
    this.#now = now;
    for (const fields of opening.cards) this.open(fields);
    for (const fields of opening.holds) this.#openHold(fields);
  }

  /** A card that was there, or has come newly; an account counts with what is first said of it. */
  open(fields: readonly string[]): void {
    const accountId = fields[C.external_account_id];
    this.#accountOfCard.set(fields[C.external_card_id], accountId);
    if (!this.#opening.has(accountId)) this.#opening.set(accountId, Number(fields[C.posted_minor]));
  }

  #openHold(fields: readonly string[]): void {
    const cardId = fields[O.external_card_id];
    const accountId = this.#accountOfCard.get(cardId);
    if (accountId === undefined) return;
    const rrn = fields[O.rrn];
    const key = `hold ${fields[O.external_hold_id]}`;
    this.#reservations.set(key, {
      accountId,
      amountMinor: Number(fields[O.amount_minor]),
      expiresAtMs: Date.parse(fields[O.expires_at]),
    });
    this.#keyOfApproval.set(`${cardId}|${rrn}|${fields[O.approval_code]}`, key);
    this.#keyOfEarlierStan.set(`${cardId}|${rrn}|${fields[O.stan]}`, key);
  }

  /** A message with its first answer. Telling it twice changes nothing. */
  answered(told: Told): void {
    const key = keyOf(told);
    this.#unknown.delete(key);
    if (told.code !== '00') return;
    switch (told.mti.slice(0, 3)) {
      case '010':
      case '012':
        return this.#reserved(told, key);
      case '020':
        return this.#moved(told, key);
      case '022':
        return this.#posted(told, key);
      case '040':
      case '042':
        return this.#reversed(told);
      default:
    }
  }

  /** A message that was repeated in vain. */
  givenUp(told: Told): void {
    this.#unknown.set(keyOf(told), told.card.accountId);
  }

  /** What each account should hold at a moment. */
  expected(atMs = this.#now()): Map<string, Balance> {
    const posted = new Map(this.#opening);
    const held = new Map<string, number>();
    for (const [key, { accountId, minor }] of this.#movements) {
      const left = Math.min(Math.abs(minor), this.#left.get(key) ?? Infinity);
      add(posted, accountId, Math.sign(minor) * left);
    }
    for (const [key, { accountId, amountMinor, expiresAtMs }] of this.#reservations) {
      if (this.#cleared.has(key) || expiresAtMs <= atMs) continue;
      add(held, accountId, Math.min(amountMinor, this.#left.get(key) ?? Infinity));
    }
    return new Map(
      [...posted].map(([accountId, postedMinor]) => [
        accountId,
        { postedMinor, heldMinor: held.get(accountId) ?? 0 },
      ]),
    );
  }

  /** Accounts with a message whose outcome nobody knows: neither answered nor reversed. */
  unresolved(): Set<string> {
    const accounts = new Set<string>();
    for (const [key, accountId] of this.#unknown) if (this.#left.get(key) !== 0) accounts.add(accountId);
    return accounts;
  }

  #reserved(told: Told, key: string): void {
    if (!isAdvisedApproval(told) || isCredit(told.processingCode)) return;
    this.#reservations.set(key, {
      accountId: told.card.accountId,
      amountMinor: told.amountMinor,
      expiresAtMs: this.#now() + this.#holdMs,
    });
    const approval = approvalKey(told, told.approvalCode || told.answeredApproval);
    this.#keyOfApproval.set(approval, key);
    if (this.#clearings.has(approval)) this.#cleared.add(key);
  }

  #moved(told: Told, key: string): void {
    const minor = isCredit(told.processingCode) ? told.amountMinor : -told.amountMinor;
    this.#movements.set(key, { accountId: told.card.accountId, minor });
  }

  #posted(told: Told, key: string): void {
    if (!isAdvisedApproval(told)) return;
    this.#moved(told, key);
    if (isCredit(told.processingCode) || !told.approvalCode) return;
    const approval = approvalKey(told, told.approvalCode);
    this.#clearings.add(approval);
    const reservation = this.#keyOfApproval.get(approval);
    if (reservation !== undefined) this.#cleared.add(reservation);
  }

  #reversed(told: Told): void {
    const key = this.#originalOf(told);
    if (key === null) return;
    const left = Math.min(told.leftMinor ?? 0, this.#left.get(key) ?? Infinity);
    this.#left.set(key, left);
  }

  /** The request that a reversal names, by field 90, or a hold from before by what a portfolio file says of it. */
  #originalOf(told: Told): string | null {
    const { original, rrn, card } = told;
    if (original) {
      const acquirer = original.acquirer || told.merchant.acquirer;
      const key = purchaseKey(original.field7, original.stan, acquirer, rrn);
      if (this.#reservations.has(key) || this.#movements.has(key)) return key;
      const earlier = this.#keyOfEarlierStan.get(`${card.id}|${rrn}|${original.stan}`);
      return earlier ?? key;
    }
    return this.#keyOfApproval.get(approvalKey(told, told.approvalCode)) ?? null;
  }
}

const keyOf = (told: Told): string =>
  purchaseKey(told.field7, String(told.stan).padStart(6, '0'), acquirerOf(told.merchant.acquirer), told.rrn);

const approvalKey = (told: Told, approvalCode: string): string =>
  `${told.card.id}|${told.rrn}|${approvalCode}`;

const isAdvisedApproval = ({ advisedCode }: Told): boolean => advisedCode === '' || advisedCode === '00';

function add(to: Map<string, number>, accountId: string, minor: number): void {
  to.set(accountId, (to.get(accountId) ?? 0) + minor);
}
