import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CREATED_MS, portfolioOf, type TestCard } from '../testing/portfolio.ts';
import { Book } from './book.ts';
import { type Ask, CODES, decide, type Reason } from './decide.ts';

const GOOD: Ask = { expiry: '2811', isCredit: false, amountMinor: 100, currency: 'PEN', nowMs: CREATED_MS };

type Fields = NonNullable<TestCard['fields']>;

/** Each line is worse than the ones below it: whatever else is wrong, it is the answer. */
const inOrder: readonly (readonly [Reason, string, Fields, Partial<Ask>])[] = [
  ['lost', '41', { status: 'lost' }, {}],
  ['stolen', '43', { status: 'stolen' }, {}],
  ['closed', '14', { status: 'closed' }, {}],
  ['blocked', '62', { status: 'blocked' }, {}],
  ['damaged', '62', { status: 'damaged' }, {}],
  ['inactive', '78', { status: 'inactive' }, {}],
  ['expired', '54', { expiry: '2610' }, {}],
  ['expired', '54', { status: 'expired' }, {}],
  ['expiry_differs', '54', {}, { expiry: '2901' }],
  ['wrong_currency', '57', {}, { currency: 'USD' }],
  ['over_daily_amount', '61', { daily_limit_minor: '50' }, {}],
  ['over_monthly_amount', '61', { monthly_limit_minor: '50' }, {}],
  ['insufficient_funds', '51', { posted_minor: '99' }, {}],
  ['approved', '00', {}, {}],
];

const decideFor = async (fields: Fields, ask: Partial<Ask>): Promise<Reason> => {
  const book = Book.of(await portfolioOf([{ name: 'a', fields }]));
  return decide({ ...GOOD, ...ask }, book.card('card-a'));
};

test('reasons are answered in the documented order', async () => {
  for (const [i, [reason, code, fields, ask]] of inOrder.entries()) {
    assert.equal(CODES[reason], code);
    assert.equal(await decideFor(fields, ask), reason);
    for (const [, , lesserFields, lesserAsk] of inOrder.slice(i + 1))
      assert.equal(await decideFor({ ...lesserFields, ...fields }, { ...lesserAsk, ...ask }), reason);
  }
});

test('a card that is not there is the first reason of all', () => {
  assert.equal(decide(GOOD, undefined), 'unknown_card');
});

test('refunds meet neither limits nor funds', async () => {
  const fields = { daily_limit_minor: '0', monthly_limit_minor: '0', posted_minor: '-1' };
  assert.equal(await decideFor(fields, { isCredit: true }), 'approved');
  assert.equal(await decideFor({ ...fields, status: 'blocked' }, { isCredit: true }), 'blocked');
});

test('a card is good to the last second of its month, and a message need not state it', async () => {
  const last = Date.parse('2026-10-31T23:59:59Z');
  assert.equal(await decideFor({ expiry: '2610' }, { expiry: undefined, nowMs: last }), 'approved');
  assert.equal(await decideFor({ expiry: '2610' }, { expiry: undefined, nowMs: last + 1000 }), 'expired');
});
