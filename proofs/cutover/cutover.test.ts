import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Report } from '../lab/report.ts';
import { proveCutover } from './cutover.ts';

test('ranges change hands under faults and nothing is lost', async () => {
  const said: string[] = [];
  const report = new Report((line) => said.push(line));
  await proveCutover({ seed: 3, cards: 1000, rate: 60, isShort: true }, report);
  assert.deepEqual(report.broken, [], said.join('\n'));
});
