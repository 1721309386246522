import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from '#tools/testing/seed.ts';
import { NO_USAGE, type Usage, usageAfter, usageAfterReversal, usageAt } from './usage.ts';

const at = (time: string) => new Date(time);
const spent = ({ dayCount, dayMinor, monthCount, monthMinor }: Usage) => [
  dayCount,
  dayMinor,
  monthCount,
  monthMinor,
];
const after = (...approvals: [amountMinor: number, time: string][]) =>
  approvals.reduce((usage, [amountMinor, time]) => usageAfter(usage, { amountMinor }, at(time)), NO_USAGE);

test('approvals add up within the UTC day and month', () => {
  assert.deepEqual(
    spent(after([100, '2026-11-20T00:00:00Z'], [50, '2026-11-20T23:59:59Z'])),
    [2, 150, 2, 150],
  );
  assert.deepEqual(
    spent(after([100, '2026-11-20T23:59:59Z'], [50, '2026-11-21T00:00:00Z'])),
    [1, 50, 2, 150],
  );
  assert.deepEqual(spent(after([100, '2026-11-30T23:59:59Z'], [50, '2026-12-01T00:00:00Z'])), [1, 50, 1, 50]);
  assert.deepEqual(spent(after([100, '2026-12-31T23:59:59Z'], [50, '2027-01-01T00:00:00Z'])), [1, 50, 1, 50]);
  // The same day of the month, a month later; the same month, a year later.
  assert.deepEqual(spent(after([100, '2026-11-20T12:00:00Z'], [50, '2026-12-20T12:00:00Z'])), [1, 50, 1, 50]);
  assert.deepEqual(spent(after([100, '2026-11-20T12:00:00Z'], [50, '2027-11-20T12:00:00Z'])), [1, 50, 1, 50]);
});

test('a clock a little behind does not open the window before again', () => {
  const usage = after([100, '2026-12-01T00:00:01Z']);
  assert.deepEqual(spent(usageAt(usage, at('2026-11-30T23:59:58Z'))), [1, 100, 1, 100]);
  const more = usageAfter(usage, { amountMinor: 10 }, at('2026-11-30T23:59:58Z'));
  assert.deepEqual(spent(usageAt(more, at('2026-12-01T00:00:02Z'))), [2, 110, 2, 110]);
});

test('a window far ahead was opened by a clock gone wrong and counts as over', () => {
  const usage = after([100, '2027-06-01T00:00:00Z']);
  assert.deepEqual(spent(usageAt(usage, at('2026-11-20T12:00:00Z'))), [0, 0, 0, 0]);
});

test('a reversal gives back in the windows of its approval alone', () => {
  const usage = after([100, '2026-11-19T12:00:00Z'], [50, '2026-11-20T12:00:00Z']);
  const reversed = (amountMinor: number, whole: boolean, approved: string, now: string) =>
    spent(usageAfterReversal(usage, { amountMinor, whole, approvedAt: at(approved) }, at(now)));
  const now = '2026-11-20T13:00:00Z';
  assert.deepEqual(reversed(50, true, '2026-11-20T12:00:00Z', now), [0, 0, 1, 100]);
  assert.deepEqual(reversed(20, false, '2026-11-20T12:00:00Z', now), [1, 30, 2, 130]);
  assert.deepEqual(reversed(100, true, '2026-11-19T12:00:00Z', now), [1, 50, 1, 50]);
  assert.deepEqual(reversed(100, true, '2026-10-31T12:00:00Z', now), [1, 50, 2, 150]);
  // The day is over when the reversal comes, the month is not.
  assert.deepEqual(reversed(50, true, '2026-11-20T12:00:00Z', '2026-11-21T00:00:00Z'), [0, 0, 1, 100]);
  assert.deepEqual(reversed(50, true, '2026-11-20T12:00:00Z', '2026-12-01T00:00:00Z'), [0, 0, 0, 0]);
  // Nothing is ever given back that was not counted.
  assert.deepEqual(reversed(999, true, '2026-11-20T12:00:00Z', now), [0, 0, 1, 0]);
});

test('what is approved and reversed at once leaves the usage as it was', () =>
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1_000_000), fc.nat(86_400 * 40)), { maxLength: 20 }),
      fc.nat(1_000_000),
      (approvals, amountMinor) => {
        let usage = NO_USAGE;
        let now = at('2026-11-20T00:00:00Z');
        for (const [amount, seconds] of approvals) {
          now = new Date(now.getTime() + seconds * 1000);
          usage = usageAfter(usage, { amountMinor: amount }, now);
        }
        const more = usageAfter(usage, { amountMinor }, now);
        const back = usageAfterReversal(more, { amountMinor, whole: true, approvedAt: now }, now);
        assert.deepEqual(back, usageAt(usage, now));
      },
    ),
    runs(300),
  ));

test('usage is what was approved in the window, however approvals lie', () =>
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1_000_000), fc.nat(86_400 * 3)), { minLength: 1, maxLength: 40 }),
      (drawn) => {
        let time = at('2026-11-20T00:00:00Z').getTime();
        const approvals = drawn.map(([amountMinor, seconds]) => ({
          amountMinor,
          now: new Date((time += seconds * 1000)),
        }));
        const usage = approvals.reduce(
          (before, { amountMinor, now }) => usageAfter(before, { amountMinor }, now),
          NO_USAGE,
        );
        const last = approvals.at(-1)!.now.toISOString();
        const inSame = (length: number) =>
          approvals.filter(({ now }) => now.toISOString().slice(0, length) === last.slice(0, length));
        const sum = (some: typeof approvals) => some.reduce((total, each) => total + each.amountMinor, 0);
        const [day, month] = [inSame(10), inSame(7)];
        assert.deepEqual(spent(usage), [day.length, sum(day), month.length, sum(month)]);
      },
    ),
    runs(300),
  ));
