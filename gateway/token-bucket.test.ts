import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { TokenBuckets } from './token-bucket.ts';

suite('requests per second', () => {
  test('all of a second at once, and then as many as come back', () => {
    const buckets = new TokenBuckets(10);
    for (let i = 0; i < 10; i++) assert.equal(buckets.take('a', 5).left, 9 - i);
    const refused = buckets.take('a', 5);
    assert.deepEqual([refused.isAllowed, refused.left, refused.waitMs], [false, 0, 100]);
    assert.equal(buckets.take('a', 104).isAllowed, false);
    assert.equal(buckets.take('a', 105).isAllowed, true);
    assert.equal(buckets.take('b', 105).left, 9, 'another key has a bucket of its own');
    assert.equal(buckets.take('a', 1_105).left, 9);
  });

  test('of a burst at the end of a second and one at the beginning of the next, the second waits', () => {
    const buckets = new TokenBuckets(100);
    const allowed = (nowMs: number) =>
      Array.from({ length: 100 }, () => buckets.take('a', nowMs)).filter(({ isAllowed }) => isAllowed).length;
    assert.equal(allowed(0), 100);
    assert.equal(allowed(999), 99);
    assert.equal(allowed(1_001), 1, 'a window that began anew would let a hundred through');
  });

  test('whoever keeps to the limit is never refused', () => {
    for (const perSecond of [1, 3, 7, 50, 333, 100_000]) {
      const buckets = new TokenBuckets(perSecond);
      for (let i = 0; i < 2_000; i++)
        assert.ok(buckets.take('a', 1e9 + (i * 1_000) / perSecond).isAllowed, `${perSecond}/s, ${i}`);
    }
  });

  test('a limit that changes holds from the next request on', () => {
    const buckets = new TokenBuckets(1);
    assert.ok(buckets.take('a', 0).isAllowed);
    assert.ok(!buckets.take('a', 10).isAllowed);
    buckets.perSecond = 1_000;
    assert.ok(buckets.take('a', 10).isAllowed);
  });

  test('what was not used for a second is forgotten', () => {
    const buckets = new TokenBuckets(5);
    for (let i = 0; i < 1_000; i++) buckets.take(`key ${i}`, 0);
    assert.equal(buckets.size, 1_000);
    for (let i = 0; i < 500; i++) buckets.take('another', 2_000 + i * 200);
    assert.ok(buckets.size <= 2, String(buckets.size));
  });

  test('in no stretch of time more than a bucket and what flowed in meanwhile', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 100 }),
        (perSecond, gaps) => {
          const buckets = new TokenBuckets(perSecond);
          const times: number[] = [];
          let now = 0;
          for (const gap of gaps) {
            const { isAllowed, waitMs, left } = buckets.take('a', (now += gap));
            if (isAllowed) times.push(now);
            else assert.ok(waitMs > 0 && waitMs <= 1_000 / perSecond + 1e-6 && left === 0);
          }
          for (let i = 0; i < times.length; i++)
            for (let j = i; j < times.length; j++)
              assert.ok(j - i + 1 <= perSecond + ((times[j] - times[i]) * perSecond) / 1_000 + 0.01);
        },
      ),
    );
  });

  test('whoever waits as long as was told is let in', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 0, max: 1e7 }), (perSecond, at) => {
        const buckets = new TokenBuckets(perSecond);
        for (let i = 0; i < perSecond; i++) buckets.take('a', at);
        const { isAllowed, waitMs } = buckets.take('a', at);
        assert.ok(!isAllowed && buckets.take('a', at + waitMs).isAllowed);
      }),
    );
  });
});
