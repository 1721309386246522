import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Message } from '#runtime/iso8583/message.ts';
import { runs } from '#tools/testing/seed.ts';
import { Book } from '../processor/book.ts';
import { Processor } from '../processor/processor.ts';
import { CREATED_MS, portfolioOf } from '../testing/portfolio.ts';
import { clearing, type Purchase, request, reversal, rrnOf } from '../testing/messages.ts';
import { toldOf } from '../testing/told.ts';
import { compareBalances } from './compare.ts';
import { Reckoning } from './reckoning.ts';

/**
 * Whatever is sent, how often and in which order: the processor's book and the reckoning of its answers agree,
 * account by account. Two pieces of code that share nothing but the reading of fields 90 and 95.
 */

const CARDS = ['a', 'b', 'c', 'd'];
/** `b` shares the account of `a`; `d` is blocked. */
const portfolio = await portfolioOf(
  [
    { name: 'a', fields: { daily_limit_minor: '9000' } },
    { name: 'b', account: 'a' },
    { name: 'c', fields: { account_type: 'credit', posted_minor: '-500', credit_limit_minor: '3000' } },
    { name: 'd', fields: { status: 'blocked' } },
  ],
  CARDS.map((card, i) => ({ card, amountMinor: 700, rrn: rrnOf(9000 + i), approvalCode: `IMP00${i}` })),
);

/** When a message comes: lots of room, so that everything may overtake everything. */
const at = fc.nat(100);
const many = fc.integer({ min: 1, max: 3 });

const purchase = fc.record({
  card: fc.nat(CARDS.length - 1),
  amountMinor: fc.integer({ min: 1, max: 5000 }),
  mti: fc.constantFrom('0100', '0100', '0200', '0120', '0220', 'refund', 'imported'),
  at,
  times: many,
  /** The answer is lost on its way; an advice tells what was decided instead. */
  mute: fc.boolean(),
  reversals: fc.array(
    fc.record({ at, mti: fc.constantFrom('0400', '0420'), left: fc.nat(100), times: many }),
    {
      maxLength: 2,
    },
  ),
  clearing: fc.option(fc.record({ at, percent: fc.constantFrom(50, 100, 125), times: many })),
});
type Planned = typeof purchase extends fc.Arbitrary<infer T> ? T : never;

interface Event {
  readonly at: number;
  /** Null when there is nothing to send, as a clearing of what was declined. */
  readonly message: () => Message | null;
  readonly times: number;
  readonly told: boolean;
  readonly onAnswer?: (answer: Message) => void;
}

function eventsOf(planned: Planned, i: number): Event[] {
  const isImported = planned.mti === 'imported';
  const isRefund = planned.mti === 'refund';
  const isAdvice = planned.mti === '0120' || planned.mti === '0220' || isRefund;
  const number = isImported ? 9000 + planned.card : 10 * i;
  const its: Purchase = {
    card: CARDS[planned.card],
    amountMinor: isImported ? 700 : planned.amountMinor,
    number,
    atMs: CREATED_MS + planned.at * 1000,
    processingCode: isRefund ? '200000' : '000000',
  };
  let approval: string | undefined = isImported ? `IMP00${planned.card}` : undefined;
  const events: Event[] = [];
  const mti = isRefund ? '0220' : planned.mti;
  const advised = { ...its, approvalCode: `S${String(i).padStart(5, '0')}` };
  const isMute = planned.mute && (mti === '0100' || mti === '0200');
  if (!isImported)
    events.push({
      at: planned.at,
      message: () => request(mti, isAdvice ? advised : its),
      times: planned.times,
      told: !isMute,
      onAnswer: (answer) => {
        if (answer.get(39) === '00' && !isMute) approval = isAdvice ? advised.approvalCode : answer.get(38);
      },
    });
  if (isMute)
    events.push({
      at: planned.at,
      message: () => request(mti === '0100' ? '0120' : '0220', advised).set(39, '00'),
      times: planned.times,
      told: true,
      onAnswer: () => (approval = advised.approvalCode),
    });
  planned.reversals.forEach((each, j) => {
    const leftMinor = each.left > 50 ? Math.floor((its.amountMinor * (each.left - 50)) / 100) : undefined;
    const about = { number: 10 * i + 1 + j, atMs: CREATED_MS + each.at * 1000, leftMinor };
    const message = reversal(each.mti, its, { ...about, originalMti: isImported ? '0100' : mti });
    if (isImported) message.set(90, `010090000${planned.card}${'0'.repeat(32)}`);
    events.push({ at: each.at, message: () => message, times: each.times, told: true });
  });
  const { clearing: cleared } = planned;
  if (cleared)
    events.push({
      at: cleared.at,
      message: () => {
        if (approval === undefined || (mti !== '0100' && mti !== '0120' && !isImported)) return null;
        const amountMinor = Math.max(1, Math.round((its.amountMinor * cleared.percent) / 100));
        const about = { number: 10 * i + 5, atMs: CREATED_MS + cleared.at * 1000, amountMinor };
        return clearing({ ...its, approvalCode: approval }, about);
      },
      times: cleared.times,
      told: true,
    });
  return events;
}

test('the book of the processor is what the answers say', () => {
  fc.assert(
    fc.property(fc.array(purchase, { maxLength: 25 }), fc.infiniteStream(fc.nat()), (purchases, order) => {
      const book = Book.of(portfolio);
      const now = () => CREATED_MS + 100_000;
      const processor = new Processor({ book, now });
      const reckoning = new Reckoning(portfolio, { now });
      const told = [];
      for (const event of purchases.flatMap(eventsOf).sort((a, b) => a.at - b.at)) {
        const message = event.message();
        if (!message) continue;
        const first = processor.answer(message)!;
        for (let time = 1; time < event.times; time++) {
          const again: Message = processor.answer(message)!;
          assert.deepEqual([again.get(39), again.get(38)], [first.get(39), first.get(38)]);
        }
        const card = book.cardOf(message.get(2)!)!;
        if (event.told) told.push(toldOf(message, { id: card.id, accountId: card.account.id }, first));
        event.onAnswer?.(first);
        assert.equal(heldByHolds(book), heldByAccounts(book));
      }
      // The reckoning knows no order.
      for (const each of told.toSorted(() => (order.next().value % 3) - 1)) reckoning.answered(each);
      const actual = [...book.accounts.values()].map(({ id, postedMinor, heldMinor }) => ({
        accountId: id,
        postedMinor,
        heldMinor,
      }));
      assert.deepEqual(compareBalances(reckoning.expected(CREATED_MS), actual).differences, []);
    }),
    runs(400),
  );
});

const heldByHolds = (book: Book): number =>
  [...book.openHolds()].reduce((sum, hold) => sum + hold.remainingMinor, 0);
const heldByAccounts = (book: Book): number =>
  [...book.accounts.values()].reduce((sum, { heldMinor }) => sum + heldMinor, 0);
