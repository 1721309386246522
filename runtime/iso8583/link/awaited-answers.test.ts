import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Message } from '#runtime/iso8583/message.ts';
import { runs } from '#tools/testing/seed.ts';
import { AwaitedAnswers, isAnswer } from './awaited-answers.ts';

const message = (mti: string, stan: number, fields: Record<number, string> = {}): Message => {
  const made = new Message(mti).set(7, '1124102030').set(11, String(stan).padStart(6, '0'));
  for (const [field, value] of Object.entries(fields)) made.set(Number(field), value);
  return made;
};

test('an answer is found by its message class, whatever the repeat indicator', () => {
  const awaited = new AwaitedAnswers<string>();
  awaited.add(message('0101', 1), 'repeat', 0, 100);
  awaited.add(message('0200', 1), 'financial', 0, 100);
  assert.equal(awaited.take(message('0210', 1))?.owner, 'financial');
  assert.equal(awaited.take(message('0410', 1)), undefined);
  assert.equal(awaited.take(message('0110', 1))?.owner, 'repeat');
  assert.equal(awaited.take(message('0110', 1)), undefined);
  assert.equal(awaited.size, 0);
});

test('padding is no difference', () => {
  const awaited = new AwaitedAnswers<string>();
  awaited.add(message('0100', 1, { 32: '00123', 41: 'TERM' }), 'asked', 0, 100);
  assert.equal(awaited.take(message('0110', 1, { 32: '124' })), undefined);
  assert.equal(awaited.take(message('0110', 1, { 32: '123', 41: 'TERM    ' }))?.owner, 'asked');
});

test('of two that are alike the first is answered first', () => {
  const awaited = new AwaitedAnswers<number>();
  awaited.add(message('0100', 1), 1, 0, 100);
  awaited.add(message('0101', 1), 2, 0, 100);
  assert.equal(awaited.take(message('0110', 1))?.owner, 1);
  assert.equal(awaited.take(message('0110', 1))?.owner, 2);
});

test('what was added first is forgotten first', () => {
  const awaited = new AwaitedAnswers<number>();
  for (const stan of [1, 2, 2, 3]) awaited.add(message('0100', stan), stan, 0, 100);
  awaited.forgetOldest(2);
  assert.equal(awaited.size, 2);
  assert.deepEqual(
    [1, 2, 2, 3].map((stan) => awaited.take(message('0110', stan))?.owner),
    [undefined, 2, undefined, 3],
  );
});

test('answers are told from requests', () => {
  const answers = ['0110', '0130', '0210', '0230', '0410', '0430', '0810'];
  const requests = ['0100', '0101', '0120', '0121', '0200', '0220', '0400', '0420', '0421', '0800'];
  assert.deepEqual([...answers, ...requests].filter(isAnswer), answers);
});

test('every request is answered or expires, once and not before its time', () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant('ask' as const),
      stan: fc.nat(8),
      budgetMs: fc.integer({ min: 1, max: 50 }),
    }),
    fc.record({ do: fc.constant('answer' as const), stan: fc.nat(8) }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const awaited = new AwaitedAnswers<number>();
      let model: { owner: number; stan: number; deadline: number }[] = [];
      let now = 0;
      for (const [owner, each] of steps.entries()) {
        if (each.do === 'ask') {
          awaited.add(message('0100', each.stan), owner, now, now + each.budgetMs);
          model.push({ owner, stan: each.stan, deadline: now + each.budgetMs });
        } else if (each.do === 'answer') {
          const first = model.find(({ stan }) => stan === each.stan);
          assert.equal(awaited.take(message('0110', each.stan))?.owner, first?.owner);
          model = model.filter((one) => one !== first);
        } else {
          now += each.ms;
          const due = model.filter(({ deadline }) => deadline <= now).map(({ owner: due }) => due);
          assert.deepEqual(
            awaited
              .expire(now)
              .map(({ owner: expired }) => expired)
              .sort((a, b) => a - b),
            due,
          );
          model = model.filter(({ deadline }) => deadline > now);
        }
        assert.equal(awaited.size, model.length);
      }
      assert.equal(awaited.takeAll().length, model.length);
      assert.equal(awaited.size, 0);
    }),
    runs(300),
  );
});
