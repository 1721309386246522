import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLab } from '../lab/lab.ts';
import { Random } from '../lab/random.ts';
import { Report } from '../lab/report.ts';
import { Canaries } from './canaries.ts';
import { proveCanary } from './canary.ts';
import { formsOf } from './forms.ts';
import { Search } from './search.ts';

test('every form of every canary is found, wherever it lies in a file', () => {
  const canaries = new Canaries(new Random(1));
  canaries.pan('here');
  canaries.pan('here', { digits: 19 });
  canaries.pan('here', { digits: 15 });
  canaries.pin('here', 'iso0');
  canaries.pin('here', 'iso4');
  canaries.pin('here', 'ibm3624');
  const search = new Search(canaries.all);
  for (const canary of canaries.all)
    for (const { name, bytes } of formsOf(canary))
      for (let before = 0; before < 9; before++) {
        const place = `${name} after ${before} bytes`;
        search.buffer('in', place, Buffer.concat([Buffer.alloc(before, 'x'), bytes, Buffer.alloc(5, 'y')]));
        const isFound = search.finds.some(
          (find) => find.canary === canary && find.form === name && find.place === `in: ${place}`,
        );
        assert.ok(isFound, place);
      }
});

test('base64 of a value is found whatever stands before and after it', () => {
  const canaries = new Canaries(new Random(2));
  const pan = canaries.pan('here');
  for (let before = 0; before < 6; before++) {
    const search = new Search(canaries.all);
    const text = Buffer.from(`${'ñ'.repeat(before)}${'a'.repeat(before)}${pan}more`).toString('base64');
    search.text('place', 'x', text);
    assert.ok(search.finds.length > 0, text);
  }
});

test('what is no canary is not found', () => {
  const canaries = new Canaries(new Random(3));
  const pan = canaries.pan('here');
  const search = new Search(canaries.all);
  search.text('place', 'x', `${pan.slice(0, 15)} ${pan.slice(1)} ${pan.slice(0, 6)}******${pan.slice(-4)}`);
  assert.deepEqual(search.finds, []);
});

test('a small run finds no canary anywhere', { timeout: 180_000 }, async () => {
  const report = new Report(() => {});
  await withLab({ RELEVO_CHUNK_LINES: '40', RELEVO_BACKOFF_MS: '50' }, (lab) =>
    proveCanary(lab, { good: 24, large: 0, seed: 5, few: true }, report),
  );
  assert.deepEqual(report.broken, []);
  assert.ok(report.findings.filter(({ holds }) => holds).length >= 7, report.table());
});
