import { Message } from '#runtime/iso8583/message.ts';
import { acquirerOf, answerMti, classOf, isCredit, keyOf, type MessageClass } from '../wire/classes.ts';
import { currencyLetters } from '../wire/currencies.ts';
import { hash32, mix32 } from '../wire/draws.ts';
import { fromField90, fromField95, originalKey } from '../wire/original.ts';
import { fromField7 } from '../wire/times.ts';
import type { Account, Book, Card, Hold } from './book.ts';
import { CODES, decide, type Reason } from './decide.ts';
import { Recent } from './recent.ts';

/** A processor that decides otherwise than documented, on purpose: what shadow decisions must bring to light. */
export interface Quirk {
  /** Of the messages it applies to, from 0 to 1; which ones depends on the message alone. */
  readonly share: number;
  /** Only messages that would have ended for this reason. */
  readonly reason?: Reason;
  /** What they are answered: `00` approves, whatever speaks against it. */
  readonly code: string;
}

export interface ProcessorOptions {
  readonly book: Book;
  readonly now?: () => number;
  /** How long its holds last. */
  readonly holdDays?: number;
  /** Another seed, other approval codes. */
  readonly seed?: number;
  /** Messages that are remembered. */
  readonly memoryMax?: number;
}

/** What a message moved, for the messages about it that follow. */
interface Moved {
  /** The reservation of an authorisation. */
  readonly hold: Hold | null;
  /** Or the posting of a financial message: which way, and what reversals have left of it. */
  readonly posting: { readonly account: Account; readonly sign: 1 | -1; leftMinor: number } | null;
  readonly card: Card;
  readonly isDebit: boolean;
  readonly approvedAtMs: number;
  approvalCode: string | undefined;
}

interface Outcome {
  readonly code: string;
  readonly approvalCode?: string;
}

interface Answered extends Outcome {
  readonly content: string;
}

/** What it has done so far. */
export interface ProcessorCounts {
  /** Network management is not counted. */
  messages: number;
  repeats: number;
  advices: number;
  reversals: number;
  /** The same fields 7, 11, 32, 37 with other content. */
  conflicts: number;
  /** By code of field 39, of requests that it decided. */
  readonly decided: Map<string, number>;
  /** Decided by its quirk. */
  quirks: number;
}

const DAY_MS = 86_400_000;

/**
 * The earlier processor as a network meets it: a message in, its answer out. Everything happens at once and in the
 * order in which messages come, so a repeat finds the answer of its original.
 */
export class Processor {
  readonly book: Book;
  readonly counts: ProcessorCounts = {
    messages: 0,
    repeats: 0,
    advices: 0,
    reversals: 0,
    conflicts: 0,
    decided: new Map(),
    quirks: 0,
  };
  quirk: Quirk | null = null;
  readonly #now: () => number;
  readonly #holdMs: number;
  readonly #seed: number;
  /** By class and fields 7, 11, 32, 37: what a message was answered. */
  readonly #answers: Recent<Answered>;
  /** By fields 7, 11, 32, 37 alone: what it moved. A request and the advice about it are one purchase. */
  readonly #moved: Recent<Moved>;
  /** Reversals that came before what they take back, with what they leave of it. */
  readonly #reversedAhead: Recent<number>;
  /** Clearings that came before the advice of what they clear, by card, RRN and approval code. */
  readonly #clearedAhead: Recent<true>;
  #approvals = 0;

  constructor({ book, now = Date.now, holdDays = 7, seed = 1, memoryMax = 500_000 }: ProcessorOptions) {
    this.book = book;
    this.#now = now;
    this.#holdMs = holdDays * DAY_MS;
    this.#seed = seed;
    this.#answers = new Recent(memoryMax);
    this.#moved = new Recent(memoryMax);
    this.#reversedAhead = new Recent(memoryMax);
    this.#clearedAhead = new Recent(memoryMax);
  }

  /** Null for what is not answered: answers, and classes it does not know. */
  answer(message: Message): Message | null {
    const messageClass = classOf(message.mti);
    if (!messageClass) return null;
    if (messageClass === 'network_management') return answerTo(message, { code: '00' });
    this.counts.messages++;
    const request = readRequest(message, messageClass, this.#now());
    if (!request) return answerTo(message, { code: CODES.malformed });
    const key = `${messageClass}|${request.key}`;
    const before = this.#answers.get(key);
    if (before) {
      const isSame = before.content === request.content;
      if (isSame) this.counts.repeats++;
      else this.counts.conflicts++;
      return answerTo(message, isSame ? before : { code: CODES.other_content });
    }
    const outcome = this.#outcomeOf(request);
    this.#answers.keep(key, { ...outcome, content: request.content });
    return answerTo(message, outcome);
  }

  #outcomeOf(request: Request): Outcome {
    switch (request.messageClass) {
      case 'authorisation':
      case 'financial':
        return this.#request(request);
      case 'authorisation_advice':
      case 'financial_advice':
        this.counts.advices++;
        return this.#advice(request);
      case 'reversal':
      case 'reversal_advice':
        this.counts.reversals++;
        return this.#reversal(request);
    }
  }

  /** 0100 and 0200: decided here. */
  #request(request: Request): Outcome {
    const known = this.#moved.get(request.key);
    // Its advice was faster: what somebody decided in our stead stays decided.
    if (known) return this.#decided({ code: '00', approvalCode: known.approvalCode });
    if (this.#reversedAhead.get(request.key) !== undefined)
      return this.#decided({ code: CODES.reversed_ahead });
    const card = this.book.cardOf(request.pan);
    const reason = decide({ ...request, nowMs: this.#now() }, card);
    const code = this.#withQuirk(request, reason);
    if (code !== '00' || !card)
      return this.#decided({ code: card || code !== '00' ? code : CODES.unknown_card });
    const approvalCode = this.#nextApprovalCode();
    if (request.messageClass === 'financial')
      this.#post(request, card, approvalCode, { isNewSpending: true });
    else this.#hold(request, card, approvalCode);
    return this.#decided({ code, approvalCode });
  }

  #decided(outcome: Outcome): Outcome {
    const { decided } = this.counts;
    decided.set(outcome.code, (decided.get(outcome.code) ?? 0) + 1);
    return outcome;
  }

  #withQuirk({ key }: Request, reason: Reason): string {
    const { quirk } = this;
    if (!quirk || (quirk.reason && quirk.reason !== reason)) return CODES[reason];
    if (hash32(`${this.#seed} ${key}`) >= quirk.share * 2 ** 32) return CODES[reason];
    this.counts.quirks++;
    return quirk.code;
  }

  /**
   * 0120 and 0220: decided elsewhere, entered here whatever the balance. One about a purchase that moved here
   * already moves nothing, but what it says of it counts: its approval code, or that it was declined after all.
   */
  #advice(request: Request): Outcome {
    const card = this.book.cardOf(request.pan);
    if (!card) return { code: CODES.unknown_card };
    if (request.currency !== card.account.currency) return { code: CODES.wrong_currency };
    const { approvalCode } = request;
    const outcome = { code: '00', approvalCode };
    const known = this.#moved.get(request.key);
    if (!isApproval(request.advisedCode)) {
      if (known) this.#undo(known, 0, request.movedAtMs);
      return outcome;
    }
    if (known) {
      if (approvalCode !== undefined) known.approvalCode = approvalCode;
      if (known.hold && approvalCode !== undefined) known.hold.approvalCode = approvalCode;
      return outcome;
    }
    if (request.messageClass === 'financial_advice') this.#clear(request, card);
    else this.#hold(request, card, approvalCode ?? this.#nextApprovalCode());
    const leftMinor = this.#reversedAhead.get(request.key);
    const moved = this.#moved.get(request.key);
    if (leftMinor !== undefined && moved) this.#undo(moved, leftMinor, request.movedAtMs);
    return outcome;
  }

  /** A clearing posts what it says, and its hold is over, were it for more or for less. */
  #clear(request: Request, card: Card): void {
    const hold = request.isCredit ? undefined : this.#holdOf(card, request);
    if (hold) this.book.lower(hold, 0, request.movedAtMs);
    else if (request.approvalCode !== undefined && !request.isCredit)
      this.#clearedAhead.keep(approvalKey(card, request.rrn, request.approvalCode), true);
    this.#post(request, card, request.approvalCode, { isNewSpending: !hold });
  }

  /** Reserves a debit; an approved credit reserves nothing. */
  #hold(request: Request, card: Card, approvalCode: string): void {
    const { amountMinor, movedAtMs } = request;
    const isDebit = !request.isCredit;
    const isStated = request.messageClass === 'authorisation_advice' && movedAtMs < card.account.statedAtMs;
    const stated = this.book.holdsOf(card, request.rrn).find((hold) => hold.approvalCode === approvalCode);
    const isCleared = this.#clearedAhead.get(approvalKey(card, request.rrn, approvalCode)) !== undefined;
    const placed = !stated && !isStated && !isCleared && isDebit && amountMinor > 0;
    const hold = placed ? this.#place(request, card, approvalCode) : (stated ?? null);
    if (isDebit) card.spend(amountMinor, this.#now());
    const approvedAtMs = this.#now();
    this.#moved.keep(request.key, { hold, posting: null, card, isDebit, approvedAtMs, approvalCode });
  }

  #place(request: Request, card: Card, approvalCode: string): Hold {
    const { amountMinor, movedAtMs, stan, rrn, merchantName, mcc } = request;
    return this.book.place({
      id: `h-${rrn}-${approvalCode}-${++this.#approvals}`,
      card,
      account: card.account,
      amountMinor,
      approvalCode,
      stan,
      rrn,
      merchantName,
      mcc,
      approvedAtMs: movedAtMs,
      expiresAtMs: movedAtMs + this.#holdMs,
    });
  }

  #post(
    request: Request,
    card: Card,
    approvalCode: string | undefined,
    { isNewSpending }: { isNewSpending: boolean },
  ): void {
    const { amountMinor, movedAtMs, isCredit } = request;
    const sign = isCredit ? 1 : -1;
    const { account } = card;
    const isStated = request.messageClass === 'financial_advice' && movedAtMs < account.statedAtMs;
    if (!isStated) this.book.post(account, sign * amountMinor, movedAtMs);
    const isDebit = !isCredit && isNewSpending;
    if (isDebit) card.spend(amountMinor, this.#now());
    const posting: Moved['posting'] = { account, sign, leftMinor: amountMinor };
    const approvedAtMs = this.#now();
    this.#moved.keep(request.key, { hold: null, posting, card, isDebit, approvedAtMs, approvalCode });
  }

  /** 0400 and 0420: what was moved is taken back, wholly or down to what field 95 leaves. */
  #reversal(request: Request): Outcome {
    const card = this.book.cardOf(request.pan);
    const { originalKey: key, leftMinor } = request;
    const moved = key === null ? undefined : this.#moved.get(key);
    if (moved) {
      this.#undo(moved, leftMinor, request.movedAtMs);
      return { code: '00' };
    }
    // A hold that a portfolio file brought is known by its RRN and its approval code or STAN.
    const hold = card && this.#holdOf(card, request);
    if (hold) this.book.lower(hold, leftMinor, request.movedAtMs);
    else if (key !== null)
      this.#reversedAhead.keep(key, Math.min(leftMinor, this.#reversedAhead.get(key) ?? leftMinor));
    return { code: '00' };
  }

  #undo(moved: Moved, leftMinor: number, movedAtMs: number): void {
    const { hold, posting, card } = moved;
    let backMinor = 0;
    if (hold && hold.remainingMinor > leftMinor) {
      backMinor = hold.remainingMinor - leftMinor;
      this.book.lower(hold, leftMinor, movedAtMs);
    }
    if (posting && posting.leftMinor > leftMinor) {
      backMinor = posting.leftMinor - leftMinor;
      posting.leftMinor = leftMinor;
      if (movedAtMs >= posting.account.statedAtMs)
        this.book.post(posting.account, -posting.sign * backMinor, movedAtMs);
    }
    if (moved.isDebit && backMinor > 0) card.giveBack(backMinor, moved.approvedAtMs, this.#now());
  }

  #holdOf(card: Card, { rrn, approvalCode, originalStan }: Request): Hold | undefined {
    const holds = this.book.holdsOf(card, rrn);
    return (
      holds.find((hold) => hold.approvalCode === approvalCode) ??
      holds.find((hold) => hold.stan === originalStan) ??
      // An advice that brings another approval code may come after what was cleared under that code.
      (holds.length === 1 ? holds[0] : undefined)
    );
  }

  /** Six letters and digits, without a visible order. */
  #nextApprovalCode(): string {
    const number = (Math.imul(++this.#approvals, 0x9e3779b1) ^ mix32(this.#seed)) >>> 1;
    return number.toString(36).toUpperCase().padStart(6, '0');
  }
}

const approvalKey = (card: Card, rrn: string, approvalCode: string): string =>
  `${card.id}|${rrn}|${approvalCode}`;

type RequestClass = Exclude<MessageClass, 'network_management'>;

/** A message, read. */
interface Request {
  readonly messageClass: RequestClass;
  /** Fields 7, 11, 32, 37. */
  readonly key: string;
  /** Fields 2, 3, 4, 49, 95. */
  readonly content: string;
  readonly pan: string;
  readonly expiry: string | undefined;
  readonly isCredit: boolean;
  readonly amountMinor: number;
  readonly currency: string | undefined;
  readonly movedAtMs: number;
  readonly stan: string;
  readonly rrn: string;
  readonly approvalCode: string | undefined;
  /** Field 39 of an advice. */
  readonly advisedCode: string | undefined;
  readonly originalKey: string | null;
  readonly originalStan: string | undefined;
  /** What a reversal leaves. */
  readonly leftMinor: number;
  readonly mcc: string;
  readonly merchantName: string;
}

/** Null when something is missing or makes no sense. */
function readRequest(message: Message, messageClass: RequestClass, nowMs: number): Request | null {
  const [pan, processingCode, amount, field7, stan, currency] = [2, 3, 4, 7, 11, 49].map((field) =>
    message.get(field),
  );
  const rrn = message.get(37)?.trim();
  if (!pan || !processingCode || !field7 || !stan || !rrn) return null;
  if (!/^[012]\d{5}$/.test(processingCode) || !/^\d{12}$/.test(amount ?? '') || !/^\d{6}$/.test(stan))
    return null;
  const movedAtMs = fromField7(field7, nowMs);
  const original = fromField90(message.get(90));
  const leftMinor = fromField95(blankIsNone(message.get(95)));
  const amountMinor = Number(amount);
  if (Number.isNaN(movedAtMs) || Number.isNaN(leftMinor) || leftMinor > amountMinor) return null;
  const approvalCode = blankIsNone(message.get(38));
  const isReversal = messageClass === 'reversal' || messageClass === 'reversal_advice';
  if (isReversal && !original && !approvalCode) return null;
  return {
    messageClass,
    key: keyOf(message),
    content: [pan, processingCode, amount, currency, message.get(95)].join('|'),
    pan,
    expiry: blankIsNone(message.get(14)),
    isCredit: isCredit(processingCode),
    amountMinor,
    currency: currencyLetters(currency),
    movedAtMs,
    stan,
    rrn,
    approvalCode,
    advisedCode: blankIsNone(message.get(39)),
    originalKey: original && originalKey(original, acquirerOf(message.get(32)), rrn),
    originalStan: original?.stan,
    leftMinor,
    mcc: message.get(18) ?? '0000',
    merchantName: message.get(43)?.slice(0, MERCHANT_NAME_CHARACTERS).trim() || 'UNKNOWN',
  };
}

/** Field 43 begins with the name. */
const MERCHANT_NAME_CHARACTERS = 23;

const blankIsNone = (value: string | undefined): string | undefined => (value?.trim() ? value : undefined);

/** An advice without a field 39 tells of something that was approved. */
const isApproval = (advisedCode: string | undefined): boolean =>
  advisedCode === undefined || ['00', '08', '10', '11', '85'].includes(advisedCode);

const ECHOED = [2, 3, 4, 7, 11, 12, 13, 23, 32, 37, 41, 42, 49, 70, 90, 95];

function answerTo(message: Message, { code, approvalCode }: Outcome): Message {
  const answer = new Message(answerMti(message.mti));
  for (const field of ECHOED) {
    const value = message.get(field);
    if (value !== undefined) answer.set(field, value);
  }
  if (approvalCode !== undefined) answer.set(38, approvalCode);
  return answer.set(39, code);
}
