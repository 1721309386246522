import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAMINGS } from '#runtime/iso8583/framing.ts';
import { answerMti, classOf, purchaseKey, repeatMti } from './classes.ts';
import { currencyLetters, currencyNumber } from './currencies.ts';
import { frameCutter, framed, headBytes, writeHead } from './frames.ts';
import { maskedId, maskedPan } from './masked.ts';
import { fromField90, fromField95, originalKey, toField90, toField95 } from './original.ts';
import { fromField7, toField7 } from './times.ts';

test('a length that is none ends a stream', () => {
  const take = frameCutter('ascii', () => assert.fail());
  assert.equal(take(Buffer.from('00x40100')), false);
});

test('a length written in place is that of the codec', () => {
  for (const framing of FRAMINGS) {
    const frame = framed(framing, Buffer.from('0100 and so on'));
    const written = Buffer.from(frame).fill(0, 0, headBytes(framing));
    writeHead(framing, frame.length - headBytes(framing), written, 0);
    assert.deepEqual(written, frame);
  }
});

test('a time of field 7 is of the year that brings it nearest', () => {
  const now = Date.parse('2027-01-01T00:00:05Z');
  for (const text of [
    '2026-12-31T23:59:59Z',
    '2027-01-01T00:00:05Z',
    '2027-06-30T12:00:00Z',
    '2026-07-05T00:00:00Z',
  ])
    assert.equal(fromField7(toField7(Date.parse(text)), now), Date.parse(text));
  for (const text of ['1301000000', '0001000000', '0100000000', '0101240000', '0101006000', '010100000', ''])
    assert(Number.isNaN(fromField7(text, now)), text);
});

test('an original is named so that both sides come to the same key', () => {
  const original = { mti: '0100', stan: '000042', field7: '1120060000', acquirer: '00411107' };
  const read = fromField90(toField90(original));
  assert(read);
  assert.deepEqual(read, { ...original, acquirer: '411107' });
  const key = purchaseKey('1120060000', '000042', '00411107', 'RRN');
  assert.equal(originalKey(read, '00411107', 'RRN'), key);
  assert.equal(originalKey({ ...read, acquirer: '' }, '00411107', 'RRN'), key);
  assert.equal(fromField90('12'), null);
  assert.equal(fromField95(toField95(1234)), 1234);
  assert.equal(fromField95(undefined), 0);
  assert(Number.isNaN(fromField95('all of it')));
});

test('classes, answers and repeats by message type', () => {
  assert.equal(classOf('0101'), 'authorisation');
  assert.equal(classOf('0421'), 'reversal_advice');
  assert.equal(classOf('0110'), null);
  assert.deepEqual([answerMti('0101'), answerMti('0420'), answerMti('0800')], ['0110', '0430', '0810']);
  assert.equal(repeatMti('0220'), '0221');
});

test('currencies by number and letters; masked numbers and ids', () => {
  assert.equal(currencyLetters('604'), 'PEN');
  assert.equal(currencyNumber('PEN'), '604');
  assert.equal(currencyLetters('000'), undefined);
  assert.equal(maskedPan('4509170000000009'), '450917******0009');
  assert.equal(maskedId('acct-7-00000042'), 'acc…00042');
  assert.equal(maskedId('a-1'), '…a-1');
});
