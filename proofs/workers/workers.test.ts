import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLab } from '../lab/lab.ts';
import { Report } from '../lab/report.ts';
import { stalledWorkers } from './workers.ts';

test(
  'workers that stalled past their lease change nothing when they wake',
  { timeout: 120_000 },
  async () => {
    const report = new Report(() => {});
    await withLab({ RELEVO_CHUNK_LINES: '60', RELEVO_LEASE_SECONDS: '2' }, (lab) =>
      stalledWorkers(lab, { cards: 5000, seed: 1 }, report),
    );
    assert.deepEqual(report.broken, []);
    assert.ok(report.findings.filter(({ holds }) => holds).length >= 9, report.table());
  },
);
