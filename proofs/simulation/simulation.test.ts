import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Report } from '../lab/report.ts';
import { proveSimulation } from './simulation.ts';

test('a short history under faults keeps every law', async () => {
  const said: string[] = [];
  const report = new Report((line) => said.push(line));
  await proveSimulation({ seed: 2, seeds: 1, steps: 25, cards: 9 }, report);
  assert.deepEqual(report.broken, [], said.join('\n'));
});
