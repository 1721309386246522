import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLab } from '../lab/lab.ts';
import { Report } from '../lab/report.ts';
import { chunkLinesFor, proveCrash } from './crash.ts';

// Leases of two seconds: the full proof keeps those that run in production and takes its time.
test('a few kills of a small portfolio leave no trace', { timeout: 120_000 }, async () => {
  const report = new Report(() => {});
  await withLab({ RELEVO_CHUNK_LINES: String(chunkLinesFor(300)), RELEVO_LEASE_SECONDS: '2' }, (lab) =>
    proveCrash(lab, { cards: 300, kills: 6, seed: 4 }, report),
  );
  assert.deepEqual(report.broken, []);
  assert.ok(report.findings.filter(({ holds }) => holds).length >= 4, report.table());
});
