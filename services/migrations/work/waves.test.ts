import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { waves } from './waves.ts';

const rowsWithKeys = fc.array(fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 4 }), {
  maxLength: 40,
});

test('every row is in one wave, rows of a wave share no key, rows that share one keep their order', () => {
  fc.assert(
    fc.property(rowsWithKeys, (keys) => {
      const rows = keys.map((_, i) => i * 10);
      const keysOf = (row: number) => keys[row / 10];
      const sorted = waves(rows, keysOf);
      assert.deepEqual(
        sorted.flat().sort((a, b) => a - b),
        rows,
      );
      const waveOf = new Map(sorted.flatMap((wave, i) => wave.map((row) => [row, i] as const)));
      for (const wave of sorted) {
        assert.ok(wave.length > 0, 'no wave is empty');
        const all = wave.flatMap((row) => [...keysOf(row)]);
        assert.equal(new Set(all).size, all.length, 'no key twice in a wave');
      }
      for (const earlier of rows)
        for (const later of rows)
          if (earlier < later && keysOf(earlier).some((key) => keysOf(later).includes(key)))
            assert.ok(waveOf.get(earlier)! < waveOf.get(later)!, `${earlier} before ${later}`);
    }),
  );
});

test('rows that share nothing are one wave; rows that share one key are as many as they are', () => {
  const rows = [1, 2, 3, 4];
  assert.deepEqual(
    waves(rows, (row) => [String(row)]),
    [rows],
  );
  assert.deepEqual(
    waves(rows, () => ['same']),
    [[1], [2], [3], [4]],
  );
  assert.deepEqual(
    waves([], () => ['same']),
    [],
  );
});
