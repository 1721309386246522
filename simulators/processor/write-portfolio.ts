import { setImmediate as pause } from 'node:timers/promises';
import { C, H, W } from '../portfolio/fields.ts';
import { writeFields } from '../portfolio/csv.ts';
import { toInstant } from '../wire/times.ts';
import type { Account, Book, Card, Cut, Hold } from './book.ts';

export interface PortfolioRequest {
  readonly tenant: string;
  readonly environment: string;
  readonly kind: 'full' | 'delta';
  readonly sequence: number;
  readonly source: string;
  readonly fileId?: string;
  /** A whole second; everything that was transmitted before it is in the file, and nothing else. */
  readonly asOfMs: number;
}

export interface WrittenPortfolio {
  readonly cards: number;
  readonly holds: number;
  readonly tokens: number;
}

/** Cards between two breaths: messages are answered while a file is written. */
const CARDS_AT_ONCE = 250;

/**
 * Writes the book as a portfolio file in plain text, line by line, as of a moment. A full file has every card; a
 * delta those that changed or whose balance did since the file before, with a version one higher, and the holds
 * that are new or were lowered since. The processor should be asked a few seconds after the moment, when nothing
 * transmitted before it is still on its way (`book.latecomers` counts what was).
 */
export async function writePortfolio(
  book: Book,
  request: PortfolioRequest,
  onLine: (line: string) => void,
): Promise<WrittenPortfolio> {
  const cut = book.cut(request.asOfMs);
  try {
    onLine(headerOf(book, request));
    const written = { cards: 0, holds: 0, tokens: 0 };
    const totals = new Totals();
    const newCards = new Set<string>();
    let sinceBreath = 0;
    for (const card of [...book.cards()]) {
      if (++sinceBreath % CARDS_AT_ONCE === 0) await pause();
      const fields = cardLine(card, cut, request.kind);
      if (!fields) continue;
      onLine(writeFields(fields));
      totals.account(card.account, Number(fields[C.posted_minor]));
      if (card.isNew) newCards.add(card.id);
      card.isNew = false;
      written.cards++;
    }
    for (const { hold, remainingMinor } of cut.holds()) {
      if (request.kind === 'delta' && hold.isStated) continue;
      onLine(writeFields(holdLine(hold, remainingMinor)));
      totals.hold(hold.account.currency, remainingMinor);
      hold.isStated = hold.remainingMinor === remainingMinor;
      written.holds++;
      if (++sinceBreath % CARDS_AT_ONCE === 0) await pause();
    }
    for (const token of book.tokens) {
      if (request.kind === 'delta' && !newCards.has(token[W.external_card_id])) continue;
      onLine(writeFields(token));
      written.tokens++;
    }
    onLine(`T,${written.cards},${written.holds},${written.tokens},${totals.posted()},${totals.held()}`);
    return written;
  } finally {
    cut.close();
  }
}

function headerOf(book: Book, request: PortfolioRequest): string {
  const { tenant, environment, kind, sequence, source, asOfMs } = request;
  const header = ['H', '1', '', tenant, environment, kind, String(sequence), source, toInstant(asOfMs), ''];
  header[H.file_id] = request.fileId ?? `${source}-${kind}-${sequence}`;
  header[H.bin_ranges] = book.binRanges.join(';');
  return header.join(',');
}

/** The card as its line says now, or null when a delta need not repeat it. */
function cardLine(card: Card, cut: Cut, kind: 'full' | 'delta'): string[] | null {
  const { account } = card;
  const fields = [...card.fields];
  fields[C.posted_minor] = String(cut.postedMinor(account));
  fields[C.credit_limit_minor] = String(account.creditLimitMinor);
  const isMoved = [C.posted_minor, C.credit_limit_minor].some((at) => fields[at] !== card.fields[at]);
  if (kind === 'delta' && !card.isNew && !isMoved && card.changed.size === 0) return null;
  fields[C.operation] = card.isNew || kind === 'full' ? 'upsert' : operationOf(card, isMoved);
  if (!card.isNew && (isMoved || card.changed.size > 0)) fields[C.version] = String(card.version + 1);
  card.fields = fields;
  card.readTerms();
  card.changed.clear();
  return fields;
}

/** `status` says that nothing else has changed. */
function operationOf({ status, changed }: Card, isMoved: boolean): string {
  if (status === 'closed') return 'close';
  const isOfStatus = [...changed].every((name) => name === 'status' || name === 'status_reason');
  return changed.size > 0 && isOfStatus && !isMoved ? 'status' : 'upsert';
}

function holdLine(hold: Hold, remainingMinor: number): string[] {
  const { id, card, account, merchantName, mcc, approvalCode, stan, rrn, approvedAtMs, expiresAtMs } = hold;
  const times = [toInstant(approvedAtMs), toInstant(expiresAtMs)];
  const amount = String(remainingMinor);
  return ['O', id, card.id, amount, account.currency, merchantName, mcc, approvalCode, stan, rrn, ...times];
}

/** The trailer's sums, each account once. */
class Totals {
  readonly #accounts = new Set<Account>();
  readonly #posted = new Map<string, bigint>();
  readonly #held = new Map<string, bigint>();

  account(account: Account, postedMinor: number): void {
    if (this.#accounts.has(account)) return;
    this.#accounts.add(account);
    add(this.#posted, account.currency, postedMinor);
  }

  hold(currency: string, minor: number): void {
    add(this.#held, currency, minor);
  }

  posted(): string {
    return sums(this.#posted);
  }

  held(): string {
    return sums(this.#held);
  }
}

function add(to: Map<string, bigint>, currency: string, minor: number): void {
  to.set(currency, (to.get(currency) ?? 0n) + BigInt(minor));
}

const sums = (of: Map<string, bigint>): string =>
  [...of.keys()]
    .sort()
    .map((currency) => `${currency}=${of.get(currency)}`)
    .join(';');
