import type { Random } from '../lab/random.ts';
import { Purchase, type Sent, type Stamp } from './purchase.ts';
import { type SimulatedAccount, type SimulatedCard, SMALL } from './portfolio.ts';

/** A message to be sent, now or once more. */
export interface Sending {
  readonly sent: Sent;
  /** `again`: as it was; `marked`: as a repeat; `altered`: the same message with another amount or card. */
  readonly how: 'first' | 'again' | 'marked' | 'altered';
  /** To both processes at once. */
  readonly isDoubled?: boolean;
}

export interface Clocks {
  /** The network's clock, which stamps messages. */
  readonly atMs: number;
  /** Older messages than this are not sent for the first time now; null where all may be. */
  readonly notBeforeMs: number | null;
}

const RECENT = 60;

/** What the card network sends, drawn from the seed and from what was answered so far. */
export class Traffic {
  readonly purchases: Purchase[] = [];
  readonly #random: Random;
  readonly #cards: readonly SimulatedCard[];
  #stan = 0;

  constructor(random: Random, cards: readonly SimulatedCard[]) {
    this.#random = random;
    this.#cards = cards;
    for (const card of cards) for (const hold of card.holds) this.takeHold(card, hold);
  }

  takeHold(card: SimulatedCard, hold: SimulatedCard['holds'][number]): void {
    const { rrn, amountMinor } = hold;
    this.purchases.push(new Purchase(card, { rrn, amountMinor, hold }));
  }

  /** The messages of one burst, which all leave at once. */
  burst(clocks: Clocks): Sending[] {
    const sendings: Sending[] = [];
    for (let left = this.#random.between(1, 9); left > 0; left--) sendings.push(...this.#draw(clocks));
    return this.#random.shuffled(sendings);
  }

  /** What purchases of an account held has expired. */
  expire({ id }: Pick<SimulatedAccount, 'id'>, rrns: ReadonlySet<string>): void {
    for (const purchase of this.purchases)
      if (purchase.card.account.id === id && rrns.has(purchase.rrn)) purchase.hasExpired = true;
  }

  /** Requests that were held back for good are sent at the end. */
  heldBack({ notBeforeMs }: Pick<Clocks, 'notBeforeMs'>): Sending[] {
    const sendings: Sending[] = [];
    for (const purchase of this.purchases) {
      const { request } = purchase;
      if (!request || !purchase.isHeldBack || isTooOld(request, notBeforeMs)) continue;
      purchase.isHeldBack = false;
      sendings.push({ sent: request, how: 'first' });
    }
    return sendings;
  }

  /** Reversals of what was given up, for its outcome is not known. */
  givenUp(clocks: Clocks): Sending[] {
    return this.purchases
      .filter(({ request, isReversed }) => request?.final?.code === '91' && !isReversed)
      .map((purchase): Sending => {
        purchase.isReversed = true;
        const sent = purchase.reverse('0420', this.#stamp(clocks), { names: 'original' });
        return { sent, how: 'first' };
      });
  }

  #draw(clocks: Clocks): Sending[] {
    const random = this.#random;
    const known = this.purchases.length > 0;
    if (!known || random.between(1, 100) <= 45) return this.#begin(clocks);
    const drawn = random.between(1, 4) === 1 ? random.pick(this.purchases) : this.#recent();
    return this.#goOn(drawn, clocks);
  }

  #recent(): Purchase {
    const { length } = this.purchases;
    return this.purchases[this.#random.between(Math.max(0, length - RECENT), length - 1)];
  }

  #stamp({ atMs }: Clocks): Stamp {
    return { stan: String(++this.#stan).padStart(6, '0'), atMs };
  }

  #begin(clocks: Clocks): Sending[] {
    const random = this.#random;
    const card = random.pick(this.#cards);
    const stamp = this.#stamp(clocks);
    const rrn = `S${stamp.stan}`.padEnd(12, '0');
    const amountMinor =
      random.between(1, 8) === 1 ? random.between(SMALL, 4 * SMALL) : random.between(10, 900);
    const kind = random.between(1, 100);
    const isCredit = kind > 88;
    const purchase = new Purchase(card, { rrn, amountMinor, isCredit });
    this.purchases.push(purchase);
    const approval = { 38: `A${stamp.stan.slice(1)}` };
    let sent: Sent;
    if (kind <= 58) sent = purchase.ask('0100', stamp);
    else if (kind <= 73) sent = purchase.ask('0200', stamp);
    else if (kind <= 81) {
      purchase.approval = approval[38];
      sent = purchase.ask('0120', stamp, approval);
    } else if (kind <= 88) sent = purchase.ask('0220', stamp, approval);
    else sent = purchase.ask(kind <= 94 ? '0220' : '0200', stamp, kind <= 94 ? approval : {});
    const isRequest = sent.message.mti === '0100' || sent.message.mti === '0200';
    const fate = random.between(1, 100);
    if (isRequest && fate <= 8) {
      purchase.isHeldBack = true;
      return [{ sent: this.#reversal(purchase, clocks), how: 'first' }];
    }
    const first: Sending = { sent, how: 'first', isDoubled: fate > 92 };
    if (isRequest && fate <= 14) return [first, { sent: this.#reversal(purchase, clocks), how: 'first' }];
    return fate <= 20 ? [first, { sent, how: 'marked' }] : [first];
  }

  #reversal(purchase: Purchase, clocks: Clocks): Sent {
    const random = this.#random;
    const isPartial = random.between(1, 3) === 1;
    const mti = random.pick(['0400', '0400', '0420']);
    purchase.isReversed = true;
    // The earlier processor remembers a reversal that comes first by its original, and not by the hold that it names.
    const mayComeFirst = purchase.card.isRelayed && purchase.request !== null && !purchase.request.final;
    const byHold =
      purchase.isHold && purchase.approval !== undefined && random.between(1, 3) === 1 && !mayComeFirst;
    return purchase.reverse(mti, this.#stamp(clocks), {
      leftMinor: isPartial ? random.between(0, purchase.amountMinor) : undefined,
      names: byHold ? 'hold' : 'original',
    });
  }

  #goOn(purchase: Purchase, clocks: Clocks): Sending[] {
    const random = this.#random;
    const { request } = purchase;
    if (purchase.isHeldBack) {
      if (isTooOld(request!, clocks.notBeforeMs) || random.between(1, 2) === 1) return [];
      purchase.isHeldBack = false;
      return [{ sent: request!, how: 'first' }];
    }
    const asked = purchase.messages.filter((each) => each.asked > 0);
    const choice = random.between(1, 100);
    if (choice <= 20 && asked.length > 0)
      return [{ sent: random.pick(asked), how: random.pick(['again', 'marked']), isDoubled: choice <= 5 }];
    if (purchase.isUnderWay) return [];
    if (choice <= 26) {
      const final = asked.filter(({ final }) => final && final.code !== '91');
      return final.length > 0 ? [{ sent: random.pick(final), how: 'altered' }] : [];
    }
    purchase.approval ??= request?.final?.approval;
    if (choice <= 55) return this.#clear(purchase, clocks);
    if (choice <= 80) return [{ sent: this.#reversal(purchase, clocks), how: 'first' }];
    if (choice <= 85) return this.#reverseClearing(purchase, clocks);
    return this.#advise(purchase, clocks, choice);
  }

  #clear(purchase: Purchase, clocks: Clocks): Sending[] {
    if (!purchase.isHold || !purchase.isApproved || purchase.approval === undefined) return [];
    if (purchase.isCleared && this.#random.between(1, 4) > 1) return [];
    purchase.isCleared = true;
    const percent = this.#random.pick([100, 100, 100, 60, 130]);
    const minor = Math.max(1, Math.round((purchase.amountMinor * percent) / 100));
    return [{ sent: purchase.clear(this.#stamp(clocks), minor), how: 'first' }];
  }

  #reverseClearing(purchase: Purchase, clocks: Clocks): Sending[] {
    const clearing = purchase.messages.find(
      (each) => each.type === '022' && each !== purchase.request && each.key !== purchase.request?.key,
    );
    if (clearing?.final?.code !== '00') return [];
    const sent = purchase.reverse('0420', this.#stamp(clocks), { of: clearing, names: 'original' });
    return [{ sent, how: 'first' }];
  }

  /** What the network decided in our stead, or was told of our answer. */
  #advise(purchase: Purchase, { notBeforeMs }: Clocks, choice: number): Sending[] {
    const { request } = purchase;
    if (!request?.final || purchase.isCredit || !request.message.mti.endsWith('00')) return [];
    if (purchase.isCleared || purchase.isReversed || purchase.hasExpired) return [];
    // It has the request's own time: the file that is on its way would have to know of it.
    if (isTooOld(request, notBeforeMs)) return [];
    if (purchase.messages.length > 1 && choice <= 95) return [];
    if (purchase.messages.some(({ type }) => type === '012' || type === '022')) return [];
    // Where we stood in, the earlier processor takes one that says otherwise for our own advice once more: they share
    // fields 7, 11, 32 and 37.
    if (choice > 97 && !purchase.card.isRelayed)
      return [{ sent: purchase.advise({ 39: '05' }), how: 'first' }];
    const own = purchase.approval;
    const isOther = own === undefined || choice > 91;
    if (isOther && purchase.card.isRelayed) return [];
    const approval = isOther ? `T${request.message.get(11)!.slice(1)}` : own;
    if (purchase.isHold) purchase.approval = approval;
    return [{ sent: purchase.advise({ 38: approval }), how: 'first' }];
  }
}

const isTooOld = ({ movedMs }: Sent, notBeforeMs: number | null): boolean =>
  notBeforeMs !== null && movedMs < notBeforeMs;
