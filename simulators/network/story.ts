import { Draws } from '../wire/draws.ts';
import type { CardSet, EarlierHold, NetworkCard } from './cards.ts';
import { Exchange, type Fate, type MessageContent, NO_FATE } from './exchange.ts';
import { Later } from './later.ts';
import { type Merchant, merchants } from './merchants.ts';
import type { Mix } from './mix.ts';

export interface StoryOptions {
  readonly set: CardSet;
  readonly mix: Mix;
  readonly seed: number;
  /** What the RRNs begin with, four characters: each network that runs against the same books has its own. */
  readonly rrnPrefix: string;
  /** How long after the approval its clearing or reversal comes, at least and at most. */
  readonly followAfterMs: readonly [min: number, max: number];
  /** Cards that are `hot`. */
  readonly hotCards: number;
}

/** Sent now, or once more. */
export type Step =
  | { readonly kind: 'send'; readonly exchange: Exchange }
  | { readonly kind: 'repeat'; readonly exchange: Exchange };

type Plan =
  | { readonly kind: 'repeat'; readonly exchange: Exchange }
  | { readonly kind: 'fate'; readonly exchange: Exchange; readonly fate: Fate; readonly amountMinor: number };

/** Purchases cost between 1.00 and 150.00, small ones more often; large ones up to a hundred times that. */
const AMOUNT_MIN = 100;
const AMOUNT_MAX = 15_000;
const DEBITS = ['000000', '000000', '000000', '010000', '090000'];
const REPEAT_AFTER_MS = 500;

/**
 * What a network sends, message by message: purchases, what becomes of them, and what goes wrong on the way. The
 * purchases and their fates are drawn from the seed; when a fate takes its course depends on the answers.
 */
export class Story {
  #cards: readonly NetworkCard[] = [];
  #promising: readonly NetworkCard[] = [];
  readonly #hot: readonly NetworkCard[];
  readonly #pans = new Set<string>();
  readonly #mix: Mix;
  readonly #draws: Draws;
  readonly #rrnPrefix: string;
  readonly #followAfterMs: readonly [number, number];
  readonly #later = new Later<Plan>();
  readonly #earlierHolds: EarlierHold[];
  readonly #shopsOfCategory = new Map<string, readonly Merchant[]>();
  #ready: Plan[] = [];
  #stan = 0;
  #messages = 0;

  constructor({ set, mix, seed, rrnPrefix, followAfterMs, hotCards }: StoryOptions) {
    if (set.cards.length === 0) throw new RangeError('no cards');
    this.#mix = mix;
    this.#draws = new Draws(seed);
    this.#rrnPrefix = rrnPrefix;
    this.#followAfterMs = followAfterMs;
    this.addCards(set.cards);
    this.#hot = this.#promising.slice(0, hotCards);
    this.#earlierHolds = [...set.earlierHolds];
  }

  /** Purchases are made with these cards too from now on. */
  addCards(cards: readonly NetworkCard[]): void {
    this.#cards = [...this.#cards, ...cards];
    const promising = this.#cards.filter(({ isPromising }) => isPromising);
    this.#promising = promising.length > 0 ? promising : this.#cards;
    for (const { pan } of cards) this.#pans.add(pan);
  }

  /** Follow-ups that wait for their time. */
  get pending(): number {
    return this.#later.size;
  }

  /** The next message: what is due, or else something new. */
  next(nowMs: number): Step {
    for (let due = this.#due(nowMs); due; due = this.#due(nowMs)) {
      if (due.kind === 'repeat') return due;
      const exchange = this.#follow(due, nowMs);
      if (exchange) return { kind: 'send', exchange };
    }
    const exchange = this.#draws.isWithin(this.#mix.earlierHold)
      ? (this.#fateOfEarlierHold(nowMs) ?? this.#purchase(nowMs))
      : this.#purchase(nowMs);
    return { kind: 'send', exchange };
  }

  #due(nowMs: number): Plan | undefined {
    if (this.#ready.length === 0) this.#ready = this.#later.take(nowMs).reverse();
    return this.#ready.pop();
  }

  /** What follows from a first answer. */
  answered(exchange: Exchange, nowMs: number): void {
    if (exchange.repeatAfterMs !== null) {
      this.#later.add({ kind: 'repeat', exchange }, nowMs + exchange.repeatAfterMs);
      exchange.repeatAfterMs = null;
    }
    const { overtaken, fate } = exchange;
    if (overtaken)
      this.#later.add({ kind: 'fate', exchange: overtaken, fate: NO_FATE, amountMinor: 0 }, nowMs);
    if (fate.kind === 'none' || !exchange.isApproved) return;
    const amountMinor = exchange.leftMinor ?? exchange.amountMinor;
    this.#later.add({ kind: 'fate', exchange, fate, amountMinor }, nowMs + fate.afterMs);
  }

  /** The reversal of a request whose outcome is not known, for want of any answer. */
  reversalOfSilent(exchange: Exchange, nowMs: number): Exchange {
    return this.#make(
      {
        mti: '0420',
        card: exchange.card,
        processingCode: exchange.processingCode,
        amountMinor: exchange.amountMinor,
        currency: exchange.currency,
        expiry: exchange.expiry,
        merchant: exchange.merchant,
        rrn: exchange.rrn,
        original: exchange.asOriginal(),
      },
      NO_FATE,
      nowMs,
    );
  }

  /** Null when what was planned no longer makes sense. */
  #follow({ exchange, fate, amountMinor }: Extract<Plan, { kind: 'fate' }>, nowMs: number): Exchange | null {
    switch (fate.kind) {
      case 'none':
        return exchange; // an overtaken original: its time has come
      case 'clearing':
        return this.#make(
          {
            mti: '0220',
            card: exchange.card,
            processingCode: exchange.processingCode,
            amountMinor: Math.max(1, Math.round(amountMinor * fate.factor)),
            merchant: exchange.merchant,
            rrn: exchange.rrn,
            approvalCode: approvalOf(exchange),
            advisedCode: '00',
          },
          NO_FATE,
          nowMs,
        );
      case 'reversal':
        return this.#reversal(exchange, undefined, NO_FATE, nowMs);
      case 'partial_reversal': {
        const leftMinor = Math.floor(amountMinor * fate.factor);
        if (leftMinor < 1 || leftMinor >= amountMinor) return null;
        return this.#reversal(exchange, leftMinor, fate.then, nowMs);
      }
    }
  }

  #reversal(of: Exchange, leftMinor: number | undefined, fate: Fate, nowMs: number): Exchange {
    return this.#make(
      {
        mti: '0400',
        card: of.card,
        processingCode: of.processingCode,
        amountMinor: of.amountMinor,
        merchant: of.merchant,
        rrn: of.rrn,
        approvalCode: approvalOf(of),
        original: of.asOriginal(),
        leftMinor,
      },
      fate,
      nowMs,
    );
  }

  #purchase(nowMs: number): Exchange {
    const mix = this.#mix;
    const draws = this.#draws;
    const card = this.#card();
    const merchant = this.#merchant(card);
    const isLarge = draws.isWithin(mix.large);
    const amountMinor = this.#amount() * (isLarge ? draws.between(10, 100) : 1);
    const rrn = this.#nextRrn();
    const share = draws.share();
    const isRefund = share < mix.refund;
    const isStandIn = !isRefund && share < mix.refund + mix.standIn;
    const isOvertaken = !isRefund && !isStandIn && share < mix.refund + mix.standIn + mix.reversalFirst;
    const isFinancial = draws.isWithin(mix.financial) || (merchant.takesAtOnce && mix.financial > 0);
    const processingCode = isFinancial && merchant.category === '6011' ? '010000' : draws.pick(DEBITS);
    const content = { card, merchant, amountMinor, rrn };
    if (isRefund)
      return this.#make(
        { ...content, mti: '0220', processingCode: '200000', advisedCode: '00' },
        NO_FATE,
        nowMs,
      );
    if (isStandIn) {
      const approvalCode = `S${String(this.#messages % 100_000).padStart(5, '0')}`;
      const advice = { ...content, mti: '0120', processingCode, approvalCode, advisedCode: '00' };
      return this.#make(advice, this.#fate(false), nowMs);
    }
    if (isOvertaken) return this.#overtaken({ ...content, mti: '0100', processingCode }, nowMs);
    const request = { ...content, mti: isFinancial ? '0200' : '0100', processingCode, ...this.#wrongs(card) };
    return this.#make(request, this.#fate(isFinancial), nowMs);
  }

  /** The reversal goes first and names a request that is sent after it; its field 90 is made when it goes. */
  #overtaken(content: MessageContent, nowMs: number): Exchange {
    const original = this.#make(content, NO_FATE, nowMs);
    original.isOvertaken = true;
    return this.#make({ ...content, mti: '0400', original: undefined }, NO_FATE, nowMs, original);
  }

  #wrongs(card: NetworkCard): Partial<MessageContent> {
    const mix = this.#mix;
    const draws = this.#draws;
    return {
      ...(draws.isWithin(mix.unknownCard) ? { card: this.#unknown(card) } : {}),
      ...(draws.isWithin(mix.wrongExpiry) ? { expiry: otherMonth(card.expiry) } : {}),
      ...(draws.isWithin(mix.wrongCurrency) ? { currency: card.currency === '840' ? '604' : '840' } : {}),
      ...(draws.isWithin(mix.malformed) ? { isMalformed: true } : {}),
    };
  }

  /** A number of the same range that is nobody's. */
  #unknown(card: NetworkCard): NetworkCard {
    const body = card.pan.slice(0, -1);
    for (let number = 1; ; number++) {
      const tail = String(number).padStart(6, '9');
      const pan = withCheckDigit(body.slice(0, -tail.length) + tail);
      if (!this.#pans.has(pan)) return { ...card, id: 'unknown', accountId: 'unknown', pan };
    }
  }

  #fate(isFinancial: boolean): Fate {
    const mix = this.#mix;
    const draws = this.#draws;
    const afterMs = draws.between(this.#followAfterMs[0], this.#followAfterMs[1]);
    const share = draws.share();
    if (share < mix.reversal) return { kind: 'reversal', afterMs };
    const clearing = this.#clearing();
    if (share < mix.reversal + mix.partialReversal) {
      const factor = draws.between(20, 80) / 100;
      return { kind: 'partial_reversal', afterMs, factor, then: isFinancial ? NO_FATE : clearing };
    }
    return isFinancial ? NO_FATE : clearing;
  }

  #clearing(): Fate {
    const mix = this.#mix;
    const draws = this.#draws;
    const afterMs = draws.between(this.#followAfterMs[0], this.#followAfterMs[1]);
    if (!draws.isWithin(mix.clearing)) return NO_FATE;
    const share = draws.share();
    const factor =
      share < mix.clearingAbove
        ? draws.between(105, 130) / 100
        : share < mix.clearingAbove + mix.clearingBelow
          ? draws.between(50, 95) / 100
          : 1;
    return { kind: 'clearing', afterMs, factor };
  }

  #fateOfEarlierHold(nowMs: number): Exchange | null {
    const hold = this.#earlierHolds.pop();
    if (!hold) return null;
    const { card, amountMinor, rrn, approvalCode, stan, field7 } = hold;
    const merchant = merchants.find(({ category }) => category === hold.category) ?? merchants[0];
    const content = { card, amountMinor, rrn, approvalCode, merchant, processingCode: '000000' };
    if (this.#draws.isWithin(0.7))
      return this.#make({ ...content, mti: '0220', advisedCode: '00' }, NO_FATE, nowMs);
    // Its acquirer is not in a portfolio file; field 90 has zeros there.
    const original = { mti: '0100', stan, field7, acquirer: '' };
    return this.#make({ ...content, mti: '0400', original }, NO_FATE, nowMs);
  }

  #make(content: MessageContent, fate: Fate, nowMs: number, overtaken: Exchange | null = null): Exchange {
    this.#messages++;
    this.#stan = (this.#stan % 999_999) + 1;
    const exchange = new Exchange(content, this.#stan, fate, nowMs);
    exchange.overtaken = overtaken;
    if (this.#draws.isWithin(this.#mix.repeat))
      exchange.repeatAfterMs = this.#draws.isWithin(0.3) ? 0 : this.#draws.below(REPEAT_AFTER_MS);
    return exchange;
  }

  #card(): NetworkCard {
    const draws = this.#draws;
    if (this.#hot.length > 0 && draws.isWithin(this.#mix.hot)) return draws.pick(this.#hot);
    return draws.pick(draws.isWithin(this.#mix.promising) ? this.#promising : this.#cards);
  }

  #merchant({ categories }: NetworkCard): Merchant {
    if (!categories) return this.#draws.pick(merchants);
    const key = categories.join();
    let shops = this.#shopsOfCategory.get(key);
    if (!shops) {
      const found = merchants.filter(({ category }) => categories.includes(category));
      this.#shopsOfCategory.set(key, (shops = found.length > 0 ? found : merchants));
    }
    return this.#draws.pick(shops);
  }

  #amount(): number {
    return Math.round(AMOUNT_MIN * (AMOUNT_MAX / AMOUNT_MIN) ** this.#draws.share());
  }

  #nextRrn(): string {
    return this.#rrnPrefix + (this.#messages + 1).toString(36).toUpperCase().padStart(8, '0');
  }
}

/** What the reservation was approved with: a stand-in's own code travels in the advice, others in the answer. */
const approvalOf = (exchange: Exchange): string => exchange.approvalCode || exchange.answeredApproval;

function otherMonth(expiry: string): string {
  const month = (Number(expiry.slice(2)) % 12) + 1;
  return expiry.slice(0, 2) + String(month).padStart(2, '0');
}

function withCheckDigit(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) {
    const digit = Number(body[body.length - 1 - i]) * (i % 2 === 0 ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return body + String((10 - (sum % 10)) % 10);
}
