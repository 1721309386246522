import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { Later } from './later.ts';

test('everything is taken once, not before its time, and within a hundredth of a second of asking', () => {
  const step = fc.record({ wait: fc.nat(50), add: fc.option(fc.nat(200)) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const later = new Later<number>();
      const waiting = new Set<number>();
      let now = 1000;
      for (const { wait, add } of steps) {
        now += wait;
        if (add !== null) {
          later.add(now + add, now + add);
          waiting.add(now + add);
        }
        const due = new Set(later.take(now));
        for (const each of due) {
          assert(each < now + 10, 'too early');
          waiting.delete(each);
        }
        for (const each of waiting) assert(each > now - 10, 'too late');
      }
      assert.equal(new Set(later.take(now + 1000)).size >= waiting.size, true);
      assert.equal(later.size, 0);
    }),
    runs(300),
  );
});
