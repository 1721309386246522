import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { mayHoldCardNumber } from './card-number.ts';

/** The check digit by its textbook: every second digit from the right is doubled, its own digits are added up. */
function withCheckDigit(body: string): string {
  const sum = [...body]
    .reverse()
    .flatMap((digit, i) => [...String(Number(digit) * (i % 2 === 0 ? 2 : 1))])
    .reduce((total, digit) => total + Number(digit), 0);
  return body + String((10 - (sum % 10)) % 10);
}

const digits = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength, maxLength });
const cardNumber = fc
  .tuple(fc.constantFrom(...'123456789'), digits(10, 17))
  .map((parts) => withCheckDigit(parts.join('')));

test('a card number is found whatever stands around it', () =>
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      cardNumber,
      fc.string({ unit: 'binary' }),
      (before, pan, after) => {
        assert.ok(mayHoldCardNumber(before + pan + after));
        assert.ok(mayHoldCardNumber(`${before}${pan.replaceAll(/(.{4})(?=.)/g, '$1 ')}${after}`));
      },
    ),
    runs(300),
  ));

test('a wrong check digit, few digits, and amounts filled with zeros are no card numbers', () => {
  for (const value of ['424242424241', '42424242424', '000000099999999999', '4242-4242x4242-4242', ''])
    assert.ok(!mayHoldCardNumber(value), value);
});
