import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Message } from '#runtime/iso8583/message.ts';
import { CREATED_MS, portfolioOf, type TestCard, type TestHold } from '../testing/portfolio.ts';
import { clearing, type Purchase, request, reversal, rrnOf } from '../testing/messages.ts';
import { Book } from './book.ts';
import { Processor } from './processor.ts';

const MINUTE_MS = 60_000;

/** A processor that has these cards, a purchase of 100.00 on card `a`, and what account `a` has. */
async function stage(cards: readonly TestCard[] = [{ name: 'a' }], holds: readonly TestHold[] = []) {
  let now = CREATED_MS + 60 * MINUTE_MS;
  const book = Book.of(await portfolioOf(cards, holds));
  const processor = new Processor({ book, now: () => now });
  const purchase: Purchase = { card: 'a', amountMinor: 10_000, number: 1, atMs: now };
  return {
    book,
    processor,
    purchase,
    later: (ms: number) => (now += ms),
    ask(message: Message): { code: string | undefined; approval: string | undefined } {
      const answer = processor.answer(message);
      assert(answer);
      return { code: answer.get(39), approval: answer.get(38) };
    },
    balance(account = 'acct-a') {
      const { postedMinor, heldMinor } = book.accounts.get(account)!;
      return { postedMinor, heldMinor };
    },
  };
}

test('an authorisation reserves, a repeat is answered alike and reserves nothing', async () => {
  const { ask, balance, purchase } = await stage();
  const first = ask(request('0100', purchase));
  assert.equal(first.code, '00');
  assert.match(first.approval!, /^[A-Z0-9]{6}$/);
  assert.deepEqual(ask(request('0101', purchase)), first);
  assert.deepEqual(ask(request('0100', purchase)), first);
  assert.deepEqual(balance(), { postedMinor: 100_000, heldMinor: 10_000 });
});

test('the same message with other content is a conflict and moves nothing', async () => {
  const { ask, balance, purchase } = await stage();
  ask(request('0100', purchase));
  assert.equal(ask(request('0100', { ...purchase, amountMinor: 9_999 })).code, '94');
  assert.deepEqual(balance(), { postedMinor: 100_000, heldMinor: 10_000 });
});

test('funds are what is posted and not held; on credit the limit counts too', async () => {
  const credit: TestCard = {
    name: 'c',
    fields: { account_type: 'credit', posted_minor: '-5000', credit_limit_minor: '15000' },
  };
  const { ask, purchase } = await stage([{ name: 'a' }, credit]);
  assert.equal(ask(request('0100', { ...purchase, amountMinor: 60_000 })).code, '00');
  assert.equal(ask(request('0100', { ...purchase, number: 2, amountMinor: 40_001 })).code, '51');
  assert.equal(ask(request('0100', { ...purchase, number: 3, amountMinor: 40_000 })).code, '00');
  assert.equal(ask(request('0100', { ...purchase, number: 4, card: 'c', amountMinor: 10_001 })).code, '51');
  assert.equal(ask(request('0200', { ...purchase, number: 5, card: 'c', amountMinor: 10_000 })).code, '00');
});

test('daily and monthly limits count approved debits, give back what is reversed, and begin anew', async () => {
  const limited: TestCard = {
    name: 'a',
    fields: { daily_limit_minor: '25000', monthly_limit_minor: '40000' },
  };
  const { ask, purchase, later } = await stage([limited]);
  const buy = (number: number, day = 0) =>
    ask(request('0100', { ...purchase, number, atMs: purchase.atMs + day * 24 * 60 * MINUTE_MS })).code;
  assert.deepEqual([buy(1), buy(2), buy(3)], ['00', '00', '61']);
  ask(reversal('0400', { ...purchase, number: 2 }, { number: 4, atMs: purchase.atMs }));
  assert.equal(buy(5), '00');
  later(24 * 60 * MINUTE_MS);
  assert.deepEqual([buy(6, 1), buy(7, 1), buy(8, 1)], ['00', '00', '61']);
});

test('a full reversal releases the hold, a partial one what it does not leave, and twice is once', async () => {
  const { ask, balance, purchase } = await stage();
  ask(request('0100', purchase));
  const partly = { number: 2, atMs: purchase.atMs, leftMinor: 4_000 };
  assert.equal(ask(reversal('0400', purchase, partly)).code, '00');
  ask(reversal('0401', purchase, partly));
  ask(reversal('0420', purchase, { ...partly, number: 3 }));
  assert.equal(balance().heldMinor, 4_000);
  ask(reversal('0400', purchase, { number: 4, atMs: purchase.atMs }));
  ask(reversal('0420', purchase, { number: 5, atMs: purchase.atMs }));
  assert.deepEqual(balance(), { postedMinor: 100_000, heldMinor: 0 });
});

test('a financial message posts; its reversal pays back', async () => {
  const { ask, balance, purchase } = await stage();
  ask(request('0200', purchase));
  assert.deepEqual(balance(), { postedMinor: 90_000, heldMinor: 0 });
  const about = { number: 2, atMs: purchase.atMs, originalMti: '0200' };
  ask(reversal('0400', purchase, { ...about, leftMinor: 2_500 }));
  assert.equal(balance().postedMinor, 97_500);
  ask(reversal('0420', purchase, { ...about, number: 3 }));
  ask(reversal('0420', purchase, { ...about, number: 4 }));
  assert.equal(balance().postedMinor, 100_000);
});

test('a reversal before its original is remembered, and the original declined', async () => {
  const { ask, balance, purchase } = await stage();
  assert.equal(ask(reversal('0400', purchase, { number: 2, atMs: purchase.atMs })).code, '00');
  assert.equal(ask(request('0100', purchase)).code, '12');
  assert.equal(ask(request('0101', purchase)).code, '12');
  assert.deepEqual(balance(), { postedMinor: 100_000, heldMinor: 0 });
});

for (const [what, amountMinor] of [
  ['above', 12_500],
  ['below', 7_500],
  ['as', 10_000],
] as const)
  test(`a clearing ${what} the hold posts its own amount and ends the hold`, async () => {
    const { ask, balance, purchase } = await stage();
    const { approval } = ask(request('0100', purchase));
    const approved = { ...purchase, approvalCode: approval };
    const message = clearing(approved, { number: 2, atMs: purchase.atMs, amountMinor });
    assert.equal(ask(message).code, '00');
    ask(message);
    assert.deepEqual(balance(), { postedMinor: 100_000 - amountMinor, heldMinor: 0 });
    ask(reversal('0400', approved, { number: 3, atMs: purchase.atMs }));
    assert.deepEqual(balance(), { postedMinor: 100_000 - amountMinor, heldMinor: 0 }, 'too late to release');
  });

test('a refund pays, and a clearing without a hold takes, whatever the balance', async () => {
  const { ask, balance, purchase } = await stage();
  ask(request('0220', { ...purchase, processingCode: '200000' }));
  assert.equal(balance().postedMinor, 110_000);
  ask(request('0220', { ...purchase, number: 2, amountMinor: 200_000, approvalCode: 'OFF001' }));
  assert.equal(balance().postedMinor, -90_000);
});

test('an advice of what it has approved itself moves nothing, but its approval code counts', async () => {
  const { ask, balance, purchase } = await stage();
  ask(request('0100', purchase));
  const advised = { ...purchase, approvalCode: 'STANDI' };
  assert.equal(ask(request('0120', advised)).approval, 'STANDI');
  assert.equal(balance().heldMinor, 10_000);
  ask(clearing(advised, { number: 2, atMs: purchase.atMs, amountMinor: 10_000 }));
  assert.deepEqual(balance(), { postedMinor: 90_000, heldMinor: 0 });
});

test('an advice of a decline takes back what it had approved', async () => {
  const { ask, balance, purchase } = await stage();
  ask(request('0100', purchase));
  ask(request('0120', purchase).set(39, '05'));
  assert.equal(balance().heldMinor, 0);
});

test('an advice of what it never saw reserves or posts over the balance; the late original is not decided again', async () => {
  const { ask, balance, purchase } = await stage();
  const advised = { ...purchase, amountMinor: 300_000, approvalCode: 'STANDI' };
  ask(request('0120', advised).set(39, '00'));
  assert.deepEqual(balance(), { postedMinor: 100_000, heldMinor: 300_000 });
  assert.deepEqual(ask(request('0100', { ...advised, approvalCode: undefined })), {
    code: '00',
    approval: 'STANDI',
  });
  ask(request('0220', { ...purchase, number: 2, approvalCode: 'STANDJ' }));
  assert.deepEqual(ask(request('0200', { ...purchase, number: 2 })), { code: '00', approval: 'STANDJ' });
  assert.deepEqual(balance(), { postedMinor: 90_000, heldMinor: 300_000 });
});

test('an advice after its reversal moves nothing', async () => {
  const { ask, balance, purchase } = await stage();
  ask(reversal('0420', purchase, { number: 2, atMs: purchase.atMs }));
  ask(request('0120', { ...purchase, approvalCode: 'STANDI' }));
  assert.deepEqual(balance(), { postedMinor: 100_000, heldMinor: 0 });
});

test('holds of its file are cleared by approval code and reversed by STAN, under their RRN', async () => {
  const holds = [
    { card: 'a', amountMinor: 3_000, approvalCode: 'IMP001', stan: '900001', rrn: rrnOf(70) },
    { card: 'a', amountMinor: 2_000, approvalCode: 'IMP002', stan: '900002', rrn: rrnOf(71) },
    { card: 'a', amountMinor: 1_000, approvalCode: 'IMP003', stan: '900003', rrn: rrnOf(71) },
  ];
  const { ask, balance, purchase } = await stage(undefined, holds);
  assert.equal(balance().heldMinor, 6_000);
  const first = { ...purchase, number: 70, approvalCode: 'IMP001' };
  ask(clearing(first, { number: 5, atMs: purchase.atMs, amountMinor: 3_100 }));
  const second = { ...purchase, number: 71 };
  ask(reversal('0400', second, { number: 6, atMs: purchase.atMs }).set(90, `0100900002${'0'.repeat(32)}`));
  assert.deepEqual(balance(), { postedMinor: 96_900, heldMinor: 1_000 });
});

test('holds expire', async () => {
  const { ask, balance, book, purchase, later } = await stage();
  ask(request('0100', purchase));
  assert.equal(book.expire(later(6 * 24 * 60 * MINUTE_MS)), 0);
  assert.equal(book.expire(later(24 * 60 * MINUTE_MS)), 1);
  assert.equal(balance().heldMinor, 0);
});

test('network management is answered, malformed messages get 30, answers and unknown classes nothing', async () => {
  const { ask, processor, purchase } = await stage();
  assert.equal(ask(new Message('0800').set(7, '1120070000').set(11, '000001').set(70, '001')).code, '00');
  assert.equal(ask(request('0100', purchase).delete(11)).code, '30');
  assert.equal(ask(request('0100', purchase).set(4, 'MUCH')).code, '30');
  assert.equal(ask(request('0400', purchase)).code, '30', 'a reversal of nothing named');
  assert.equal(processor.answer(request('0110', purchase)), null);
  assert.equal(processor.answer(request('0500', purchase)), null);
});

test('a quirk decides otherwise, always the same for one message', async () => {
  const { ask, processor, purchase } = await stage();
  processor.quirk = { share: 0.5, reason: 'approved', code: '05' };
  const codes = Array.from(
    { length: 200 },
    (_, i) => ask(request('0100', { ...purchase, amountMinor: 1, number: i })).code,
  );
  const declined = codes.filter((code) => code === '05').length;
  assert(declined > 60 && declined < 140, `${declined} of 200`);
  assert.equal(processor.counts.quirks, declined);
  assert.equal(
    ask(request('0100', { ...purchase, number: 999, card: 'nobody' })).code,
    '14',
    'other reasons stand',
  );
});

test('memory is bounded: what is forgotten is decided anew', async () => {
  const book = Book.of(await portfolioOf([{ name: 'a' }]));
  const processor = new Processor({ book, now: () => CREATED_MS, memoryMax: 10 });
  const purchase: Purchase = { card: 'a', amountMinor: 1, number: 0, atMs: CREATED_MS };
  for (let number = 0; number <= 10; number++) processor.answer(request('0100', { ...purchase, number }));
  processor.answer(request('0100', { ...purchase, number: 10 }));
  assert.equal(processor.counts.repeats, 1);
  processor.answer(request('0100', purchase));
  assert.equal(processor.counts.repeats, 1);
});
