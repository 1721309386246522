import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { backOffMs } from './back-off.ts';

const BOUNDS = { firstMs: 100, maxMs: 5_000 };

test('attempts come at twice the distance each time, up to a bound', () => {
  const waits = [0, 1, 2, 3, 4, 5, 6, 7, 1_000_000].map((failures) => backOffMs(BOUNDS, failures, () => 1));
  assert.deepEqual(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
});

test('chance takes away up to half', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.nat(), share, (failures, random) => {
      const whole = backOffMs(BOUNDS, failures, () => 1);
      const waitMs = backOffMs(BOUNDS, failures, () => random);
      assert.ok(waitMs >= whole / 2 && waitMs <= whole);
    }),
    runs(500),
  );
});
