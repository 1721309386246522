import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { withCheckDigit } from '#tools/testing/pans.ts';
import { runs } from '#tools/testing/seed.ts';
import { mayHoldCardNumber } from './card-number.ts';

const digit = fc.integer({ min: 0, max: 9 }).map(String);
const body = fc.array(digit, { minLength: 11, maxLength: 18 }).map((digits) => digits.join(''));
const before = fc.constantFrom('', ' ', 'card ', 'PAN=', '%B', 'x', '"', '7 ', '2026-');
const after = fc.constantFrom('', ' ', ', ', '^', '=2512201', 'x', '"', ' 7');

test('a card number is found in any text, in one piece or in groups', () => {
  fc.assert(
    fc.property(body, before, after, (body, before, after) => {
      const pan = withCheckDigit(body);
      assert.ok(mayHoldCardNumber(`${before}${pan}${after}`), pan);
      const grouped = pan.replaceAll(/\d{4}(?=\d{3})/g, '$& ');
      assert.ok(mayHoldCardNumber(`${before}${grouped}${after}`), grouped);
      assert.ok(mayHoldCardNumber(`${before}${grouped.replaceAll(' ', '-')}${after}`), grouped);
    }),
    runs(300),
  );
  for (const text of ['4509 1700 0000 0009', '3782-822463-10005', '4509170000000009=2512201', '1'.repeat(20)])
    assert.ok(mayHoldCardNumber(text), text);
});

test('a wrong check digit, short numbers, dates, ids and hashes are none', () => {
  fc.assert(
    fc.property(body, (body) => {
      const pan = withCheckDigit(body);
      const wrong = pan.slice(0, -1) + String((Number(pan.at(-1)) + 1) % 10);
      assert.ok(!mayHoldCardNumber(wrong), wrong);
    }),
    runs(100),
  );
  for (let i = 0; i < 2_000; i++) {
    assert.ok(!mayHoldCardNumber(`range.flipped ${randomUUID()}`));
    assert.ok(!mayHoldCardNumber(randomBytes(20).toString('hex').toUpperCase()));
    assert.ok(!mayHoldCardNumber(`${i}:${randomBytes(32).toString('hex')}`));
  }
  for (const text of ['2026-07-29T12:34:56.789Z', 'andina-production-12', '45091700', '450917******0009', ''])
    assert.ok(!mayHoldCardNumber(text), text);
});
