import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeDeciders, type Recorded, type Requested } from './deciders.ts';
import type { Witnessed } from './witness.ts';

interface Case {
  /** What the network was answered. */
  told: string;
  by: string | null;
  code?: string | null;
  witnessed?: Partial<Witnessed>;
}

function judge({ told, by, code = told, witnessed }: Case) {
  const request: Requested = { purchase: 'p', recordKey: 'k', code: told, approvalCode: 'ABC123' };
  const record: Recorded = { key: 'k', state: 'done', decidedBy: by, responseCode: code };
  const seen: Witnessed = { decided: '', advised: null, isReversed: false, ...witnessed };
  const {
    examples: _,
    requests: __,
    ...counts
  } = judgeDeciders(
    [request],
    new Map(by === null ? [] : [['k', record]]),
    new Map(witnessed ? [['p', seen]] : []),
  );
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

test('each request has one side that decided it', () => {
  assert.deepEqual(judge({ told: '00', by: 'own' }), { own: 1 });
  assert.deepEqual(judge({ told: '00', by: 'own', witnessed: { advised: 'ABC123' } }), { own: 1 });
  assert.deepEqual(judge({ told: '51', by: 'earlier', witnessed: { decided: '51' } }), { earlier: 1 });
  assert.deepEqual(judge({ told: '00', by: 'stand_in' }), { standIn: 1 });
  assert.deepEqual(judge({ told: '91', by: null }), { turnedAway: 1 });
});

test('two decisions are one too many, unless an advice or a reversal has settled them', () => {
  assert.deepEqual(judge({ told: '00', by: 'own', witnessed: { decided: '00' } }), { own: 1, twice: 1 });
  const decided = { decided: '00' };
  assert.deepEqual(judge({ told: '00', by: 'stand_in', witnessed: decided }), { standIn: 1, twice: 1 });
  assert.deepEqual(judge({ told: '00', by: 'stand_in', witnessed: { ...decided, advised: 'OTHER1' } }), {
    standIn: 1,
    twice: 1,
  });
  assert.deepEqual(judge({ told: '00', by: 'stand_in', witnessed: { ...decided, advised: 'ABC123' } }), {
    standIn: 1,
    settledByAdvice: 1,
  });
  assert.deepEqual(judge({ told: '91', by: 'stand_in', witnessed: decided }), { standIn: 1, twice: 1 });
  assert.deepEqual(judge({ told: '91', by: 'stand_in', witnessed: { ...decided, isReversed: true } }), {
    standIn: 1,
    settledByAdvice: 1,
  });
});

test('a decision that nobody made, that nobody wrote down, or that was told otherwise is found', () => {
  assert.deepEqual(judge({ told: '00', by: 'earlier' }), { earlier: 1, byNobody: 1 });
  assert.deepEqual(judge({ told: '00', by: null }), { byNobody: 1 });
  assert.deepEqual(judge({ told: '00', by: null, witnessed: { decided: '00' } }), {
    earlier: 1,
    unrecorded: 1,
  });
  assert.deepEqual(judge({ told: '00', by: 'own', code: '51' }), { own: 1, toldOtherwise: 1 });
  assert.deepEqual(judge({ told: '00', by: 'earlier', witnessed: { decided: '51' } }), {
    earlier: 1,
    toldOtherwise: 1,
  });
});
