import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seed } from '#tools/testing/seed.ts';
import { withLab } from '../lab/lab.ts';
import { Report } from '../lab/report.ts';
import { chunkLinesFor, proveCrash } from './crash.ts';

// Leases of two seconds: the full proof keeps those that run in production and takes its time. The seed of the run draws
// what dies where, so that many runs come everywhere. The limit is for a run that hangs: beside two other files it takes
// more than a minute.
test('a few kills of a small portfolio leave no trace', { timeout: 180_000 }, async () => {
  const report = new Report(() => {});
  await withLab({ RELEVO_CHUNK_LINES: String(chunkLinesFor(300)), RELEVO_LEASE_SECONDS: '2' }, (lab) =>
    proveCrash(lab, { cards: 300, kills: 6, seed }, report),
  );
  assert.deepEqual(report.broken, [], `SEED=${seed}`);
  assert.ok(report.findings.filter(({ holds }) => holds).length >= 4, report.table());
});
