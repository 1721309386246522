import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { describe } from './describe.ts';
import { describeMti } from './field-meanings.ts';
import { wireLength } from './format.ts';
import { iso87ascii } from './iso87ascii.ts';
import { Message } from './message.ts';
import { FREE_TEXT_FIELDS, PRIVATE_FIELDS, SENSITIVE_FIELDS } from './sensitive.ts';

const PAN = '4242424242424242';

test('a message is explained field by field', () => {
  const message = new Message('0401')
    .set(2, PAN)
    .set(3, '003020')
    .set(4, '000000012345')
    .set(5, '000000000100')
    .set(7, '1124101500')
    .set(12, '051500')
    .set(13, '1124')
    .set(14, '3012')
    .set(19, '604')
    .set(22, '051')
    .set(25, '08')
    .set(28, 'D00000150')
    .set(39, '51')
    .set(49, '604')
    .set(50, '392')
    .set(54, '0002604C0000000123450001604D000000000100')
    .set(70, '301')
    .set(90, '010000012311241014550000001234500000000000')
    .set(95, `000000002345${' '.repeat(30)}`);
  assert.deepEqual(Object.fromEntries(describe(message).map(({ field, meaning }) => [field, meaning])), {
    2: '',
    3: 'purchase, from a credit account, to a checking account',
    4: 'PEN 123.45',
    5: 'JPY 100',
    7: '11-24 10:15:00 UTC',
    12: '05:15:00',
    13: '11-24',
    14: '2030-12',
    19: 'PE',
    22: 'chip, PIN can be entered',
    25: 'mail or telephone order',
    28: 'PEN 1.50 debit',
    39: 'insufficient funds',
    49: 'PEN',
    50: 'JPY',
    54: 'available balance PEN 123.45 credit, ledger balance PEN 1.00 debit',
    70: 'echo',
    90: '0100 with trace number 000123, sent 11-24 10:14:55 UTC, acquirer 12345',
    95: 'PEN 23.45',
  });
  const shown = describe(message).map(({ field, name, value }) => [field, name, value]);
  assert.deepEqual(shown[0], [2, 'primary account number', '424242******4242']);
  assert.deepEqual(shown[1], [3, 'processing code', '003020']);
});

test('the message type is told in words', () => {
  for (const [mti, words] of [
    ['0100', 'authorisation, request'],
    ['0130', 'authorisation, answer to an advice'],
    ['0401', 'reversal, request, a repeat'],
    ['0422', 'reversal, advice, from the issuer'],
    ['0810', 'network management, answer to a request'],
    ['1200', 'financial message, request, not of the version of 1987'],
    ['0090', 'unknown class, unknown function'],
  ])
    assert.equal(describeMti(mti), words);
});

test('codes that nobody knows are shown without a meaning', () => {
  const message = new Message('0100')
    .set(3, '999999')
    .set(4, '000000000001')
    .set(22, '999')
    .set(39, 'ZZ')
    .set(49, '000');
  assert.deepEqual(
    describe(message).map(({ meaning }) => meaning),
    ['', '', '', '', ''],
  );
});

test('card data is never shown, wherever it stands', () =>
  fc.assert(
    fc.property(fc.subarray([...SENSITIVE_FIELDS, ...PRIVATE_FIELDS, ...FREE_TEXT_FIELDS]), (fields) => {
      const message = new Message('0100');
      for (const field of fields) {
        const length = wireLength(iso87ascii[field]!);
        if (length > PAN.length) message.set(field, `x ${PAN}`.slice(-length));
        else if (length === PAN.length) message.set(field, PAN);
      }
      assert.doesNotMatch(JSON.stringify(describe(message)), /42424242/);
    }),
    runs(100),
  ));

test('what protects a card is hidden whole, and a card number too short to mask as well', () => {
  const values = {
    2: '4242424242',
    35: '1=2',
    45: 'B1',
    52: '0123456789ABCDEF',
    53: '0'.repeat(16),
    55: '9F26',
  };
  const message = new Message('0100');
  for (const [field, value] of Object.entries(values)) message.set(Number(field), value);
  assert.deepEqual(
    describe(message).map(({ value, meaning }) => [value, meaning]),
    [10, 3, 2, 16, 16, 4].map((length) => [`(hidden, ${length} characters)`, '']),
  );
});

test('private fields without a card number are shown, control characters as their codes', () => {
  const shown = (field: number, value: string) => describe(new Message('0100').set(field, value))[0].value;
  assert.equal(shown(48, 'promo 12345'), 'promo 12345');
  assert.equal(shown(60, 'a\u001B[31m\r\n\u009Bñ'), 'a\\x1B[31m\\x0D\\x0A\\x9Bñ');
});
