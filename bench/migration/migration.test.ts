import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { benchMigration } from './migration.ts';
import { showMigration } from './report.ts';
import { Workspace } from '../lab/workspace.ts';

// Three hundred cards say nothing about speed; this is about every figure being there and standing for something.
test('the migration benchmark measures every way on the same rows and leaves nothing behind', async () => {
  const cards = 300;
  const workspace = await Workspace.open();
  const bench = await benchMigration(
    {
      ...{ cards, runs: 1, workers: 2, cardByCard: cards },
      ...{ growthSteps: 1, settings: [{ processes: 1, inFlight: 16 }] },
    },
    workspace,
  ).finally(() => workspace.close());

  assert.equal(existsSync(workspace.home), false);
  assert.deepEqual(
    bench.lanes.map(({ name }) => name),
    ['relevo', 'ceiling', 'queue', 'transactions'],
  );
  for (const { runs, cardsPerSecond } of bench.lanes) {
    assert.equal(runs.length, 1);
    assert.ok(runs[0].seconds > 0 && cardsPerSecond[0] > 0);
    assert.ok(runs[0].walBytes > cards * 100, 'each way wrote its cards to the log');
  }
  const [relevo] = bench.lanes;
  if (process.platform === 'linux') {
    const { nodeRssBytesMax, nodeCpuSeconds, postgresPssBytesMax } = relevo.runs[0];
    assert.ok(nodeRssBytesMax! > 3 * 30 * 1024 * 1024, 'the command and both its workers were seen');
    assert.ok(nodeCpuSeconds! > 0.1);
    if (!process.env['RELEVO_DATABASE_URL']) assert.ok(postgresPssBytesMax! > 0);
  }
  assert.deepEqual(
    bench.stages.filter(({ part }) => part === null).map(({ stage }) => stage),
    ['verify', 'load', 'work', 'close'],
  );
  assert.ok(bench.stages.every(({ seconds }) => Number.isFinite(seconds) && seconds >= 0));
  assert.deepEqual(
    bench.growth.map((row) => row.cards),
    [cards],
  );
  assert.equal(bench.verdict.counts, false, 'a file this small cannot meet or miss the goals');

  const text = stripVTControlCharacters(showMigration(bench));
  for (const heading of [
    'Machine',
    'File',
    'Side by side',
    'What it took',
    'The stages',
    'Growth',
    'Verdict',
  ])
    assert.match(text, new RegExp(`^${heading}`, 'm'));
  assert.doesNotMatch(text, /NaN|undefined|Infinity/);
});
