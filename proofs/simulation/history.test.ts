import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Message } from '#runtime/iso8583/message.ts';
import { History, shortened } from './history.ts';

const about = (rrn: string) =>
  new Message('0100').set(2, '4509170000001234').set(4, '000000000007').set(37, rrn);

test('what is told of a purchase is all about it from its first message on, and no card number', () => {
  const history = new History();
  history.message('account-1', 'first', about('S1'));
  for (let i = 0; i < 500; i++) history.message('account-1', 'first', about('S2'));
  history.event('the clock jumps');
  history.message('account-1', 'again', about('S1'));
  history.message('account-2', 'first', about('S1'));
  const lines = history.about('account-1', ['S1']);
  assert.deepEqual(
    lines.map((line) => line.split(' ')[3]),
    ['first', 'the', 'again'],
    lines.join('\n'),
  );
  assert.ok(!history.about('account-1').join('').includes('4509170000001234'));
});

test('of too many lines the first and the last are told, and how many were left out', () => {
  const lines = Array.from({ length: 10 }, (_, i) => String(i));
  assert.deepEqual(shortened(lines, 10), lines);
  assert.deepEqual(shortened(lines, 4), ['0', '1', '… 6 lines left out …', '8', '9']);
  assert.deepEqual(shortened([], 4), []);
});
