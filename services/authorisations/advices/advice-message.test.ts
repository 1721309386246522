import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Message } from '#runtime/iso8583/message.ts';
import { kindOf, type RequestKind } from '../request/kinds.ts';
import type { DueAdvice } from '../store/waiting.ts';
import { adviceMessage } from './advice-message.ts';

const message = (mti: string, fields: Record<number, string> = {}) => {
  const made = new Message(mti)
    .set(7, '1124100000')
    .set(11, '000012')
    .set(32, '1234')
    .set(37, 'RRN000000001');
  for (const [field, value] of Object.entries(fields)) made.set(Number(field), value);
  return made;
};

const due = (mti: string, changes: Partial<DueAdvice> = {}): DueAdvice => ({
  key: '',
  panIndex: '',
  prefix: '450917',
  kind: kindOf(mti) as RequestKind,
  receivedAt: new Date(),
  cardId: null,
  panSealed: null,
  request: Buffer.alloc(0),
  responseCode: '00',
  approvalCode: 'OWN001',
  attempts: 0,
  ...changes,
});

/** What is told of a message: type, 38, 39, and the beginning of 90. */
const cases: readonly [name: string, sent: Message, due: DueAdvice, told: (string | undefined)[]][] = [
  ['an approved authorisation', message('0100'), due('0100'), ['0120', 'OWN001', '00', undefined]],
  ['an approved payment', message('0200'), due('0200'), ['0220', 'OWN001', '00', undefined]],
  [
    'a repeat of an approved authorisation',
    message('0101'),
    due('0100', { attempts: 2 }),
    ['0121', 'OWN001', '00', undefined],
  ],
  [
    'a declined authorisation',
    message('0100'),
    due('0100', { responseCode: '51', approvalCode: null }),
    ['0420', undefined, undefined, '01000000121124100000000000012340000000000'],
  ],
  [
    'an advice of the network',
    message('0120', { 38: 'STIP01', 39: '00' }),
    due('0120', { approvalCode: 'STIP01' }),
    ['0120', 'STIP01', '00', undefined],
  ],
  [
    'an advice of a decline',
    message('0121', { 39: '05' }),
    due('0120', { approvalCode: null }),
    ['0120', undefined, '05', undefined],
  ],
  [
    'a reversal',
    message('0400', { 38: 'OWN001', 90: '0'.repeat(42) }),
    due('0400', { approvalCode: null }),
    ['0420', 'OWN001', undefined, '0'.repeat(41)],
  ],
];

for (const [name, sent, advice, told] of cases)
  test(`${name} is told as ${told[0]}`, () => {
    const made = adviceMessage(sent, advice);
    assert.deepEqual([made.mti, made.get(38), made.get(39), made.get(90)?.slice(0, 41)], told);
    for (const field of [7, 11, 32, 37]) assert.equal(made.get(field), sent.get(field));
  });
