import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, quantile, ratios, sizesUpTo, summarise, summariseKnown } from './statistics.ts';

test('the median is the middle value, or lies between the two middle ones', () => {
  assert.equal(median([5]), 5);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test('a quantile is interpolated between neighbours and does not reorder what it was given', () => {
  const values = [30, 10, 20];
  assert.equal(quantile(values, 0), 10);
  assert.equal(quantile(values, 1), 30);
  assert.equal(quantile(values, 0.25), 15);
  assert.deepEqual(values, [30, 10, 20]);
  assert.throws(() => quantile([], 0.5), RangeError);
});

test('a summary shows the spread', () => {
  assert.deepEqual(summarise([3, 1, 2]), { median: 2, min: 1, max: 3 });
  assert.deepEqual(summariseKnown([null, 4, 2]), { median: 3, min: 2, max: 4 });
  assert.equal(summariseKnown([null]), null);
});

test('ratios are taken round by round', () => {
  // The second round was disturbed; both sides were, so the ratio is not.
  assert.deepEqual(ratios([100, 50, 100], [50, 25, 50]), { median: 2, min: 2, max: 2 });
  assert.throws(() => ratios([1], [1, 2]), RangeError);
});

test('sizes grow tenfold up to the largest', () => {
  assert.deepEqual(sizesUpTo(1_000_000, 3), [10_000, 100_000, 1_000_000]);
  assert.deepEqual(sizesUpTo(20, 3), [2, 20]);
});
