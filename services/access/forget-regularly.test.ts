import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '#tools/testing/until.ts';
import { forgetRegularly } from './forget-regularly.ts';

test('all that is over is forgotten in bounded steps, a failure is told and passes, the signal ends it', async () => {
  let left = 5_000;
  let calls = 0;
  const troubles: unknown[] = [];
  const ending = new AbortController();
  const forgetting = forgetRegularly(
    async ({ limit }) => {
      if (++calls === 2) throw new Error('no connection');
      const forgotten = Math.min(left, limit);
      left -= forgotten;
      return forgotten;
    },
    { signal: ending.signal, onTrouble: (error) => troubles.push(error), everyMs: 1 },
  );
  await until('all is forgotten', () => left === 0);
  assert.equal(troubles.length, 1);
  ending.abort();
  await forgetting;
  const before = calls;
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(calls, before);
});
