import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Message } from '#runtime/iso8583/message.ts';
import { PRIVATE_FIELDS, SENSITIVE_FIELDS } from '#runtime/iso8583/sensitive.ts';
import { panOf } from '#tools/testing/pans.ts';
import { ECHOED_FIELDS, toAnswer } from './to-answer.ts';

const PAN = panOf('a card');
const FIELDS: Readonly<Record<number, string>> = {
  2: PAN,
  3: '000000',
  4: '000000012550',
  7: '1120120000',
  11: '000002',
  12: '070000',
  13: '1120',
  14: '2812',
  18: '5411',
  22: '051',
  32: '400001',
  35: `${PAN}=28121011234500000000`,
  36: `${PAN}=track three`,
  37: '632512000002',
  41: 'TERM0001',
  42: 'MERCHANT0000001',
  43: 'MERCADO CENTRAL        LIMA         LIPE',
  45: `B${PAN}^NAME^2812101`,
  48: 'private',
  49: '604',
  52: '0123456789ABCDEF',
  53: '2001010100000000',
  55: '9F2608A1B2C3D4E5F60718',
  62: 'private',
};

const request = (mti: string) => {
  const made = new Message(mti);
  for (const [field, value] of Object.entries(FIELDS)) made.set(Number(field), value);
  return made;
};

const fieldsOf = (message: Message) =>
  Object.fromEntries(message.fields().map((field) => [field, message.get(field)]));

test('an answer is the request one step on, with what is echoed and the verdict', () => {
  const asked = request('0101');
  const answer = toAnswer(asked, { responseCode: '00', approvalCode: 'A1B2C3' });
  assert.equal(answer.mti, '0110');
  const echoed = [2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49];
  assert.deepEqual(fieldsOf(answer), {
    ...Object.fromEntries(echoed.map((field) => [field, FIELDS[field]])),
    38: 'A1B2C3',
    39: '00',
  });
  assert.deepEqual(fieldsOf(asked), FIELDS, 'the request stays as it was');
});

test('tracks, PIN, chip and private data never travel back', () => {
  for (const field of [...SENSITIVE_FIELDS, ...PRIVATE_FIELDS])
    assert.equal(ECHOED_FIELDS.includes(field), field === 2, String(field));
});

test('a decline has no approval code; further fields are added', () => {
  const declined = toAnswer(request('0200'), { responseCode: '51' });
  assert.deepEqual([declined.mti, declined.get(38), declined.get(39)], ['0210', undefined, '51']);
  assert.equal(
    toAnswer(request('0200'), { responseCode: '00', fields: { 54: 'balance' } }).get(54),
    'balance',
  );
});

test('an approval code that came with an advice goes back only where the verdict has one', () => {
  const advice = request('0120').set(38, 'OLD123');
  assert.equal(toAnswer(advice, { responseCode: '00' }).get(38), undefined);
  assert.equal(toAnswer(advice, { responseCode: '00', approvalCode: 'OLD123' }).get(38), 'OLD123');
});

test('answers to reversals say what they are about', () => {
  const original = '0100' + '000001' + '1120115900' + '00000400001' + '00000000000';
  const reversal = request('0420').set(90, original).set(95, '0'.repeat(42));
  const answer = toAnswer(reversal, { responseCode: '00' });
  assert.deepEqual([answer.mti, answer.get(90), answer.get(95)], ['0430', original, '0'.repeat(42)]);
});

test('network management is answered with its own code', () => {
  const signOn = new Message('0800').set(7, '1120120000').set(11, '000001').set(70, '001');
  const answer = toAnswer(signOn, { responseCode: '00' });
  assert.equal(answer.mti, '0810');
  assert.deepEqual(fieldsOf(answer), { 7: '1120120000', 11: '000001', 39: '00', 70: '001' });
});
