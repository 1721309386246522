import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { PassingMap } from './passing-map.ts';

test('it holds what a map holds, in the same order', () => {
  const change = fc.record({ key: fc.integer({ min: 0, max: 40 }), isGone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { minLength: 600, maxLength: 2000 }), (changes) => {
      const map = new Map<number, number>();
      const passing = new PassingMap<number, number>();
      changes.forEach(({ key, isGone }, i) => {
        if (isGone) assert.equal(passing.delete(key), map.delete(key));
        else {
          passing.set(key, i);
          map.set(key, i);
        }
        assert.equal(passing.get(key), map.get(key));
        assert.equal(passing.has(key), map.has(key));
        assert.equal(passing.size, map.size);
      });
      assert.deepEqual([...passing], [...map]);
    }),
  );
});

test('what has passed through is gone with the next scavenges, without a full collection', () => {
  const passed = bytesThatGrowOld(new PassingMap());
  assert.ok(passed < 500_000, `${passed} bytes have grown old`);
  // The reason for it all: when this no longer holds, a `Map` will do.
  const kept = bytesThatGrowOld(new Map());
  assert.ok(kept > 1_500_000, `a Map keeps ${kept} bytes only`);
});

interface Entries {
  set(key: number, value: unknown): unknown;
  delete(key: number): boolean;
}

/** 10,000 entries of some 400 bytes come and go, 100 at a time: too few for a full collection. */
function bytesThatGrowOld(map: Entries): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (how?: { type: 'minor' }) => void;
  const oldBytes = () =>
    getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')!.space_used_size;
  collect();
  const before = oldBytes();
  for (let i = 0; i < 10_000; i++) {
    map.set(
      i,
      Array.from({ length: 50 }, () => i),
    );
    map.delete(i - 100);
    if (i % 500 === 0) collect({ type: 'minor' });
  }
  return oldBytes() - before;
}
