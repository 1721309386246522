import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { authorisationCell, setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { testCell } from '#tools/testing/cell.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { ExpiredHoldsJob } from './release-expired.ts';

const { signal } = new AbortController();

test('each turn releases what has expired since the one before, and one a day what came in expired already', async (t) => {
  const cell = await testCell(t);
  await setTestRange(cell);
  const { pipeline } = await testPipeline(t, cell);
  await MessagePlay.cards(cell, 'full\ncard c1 posted=1000', 'x');
  const play = new MessagePlay(cell, pipeline, 'x');
  const { clients } = await authorisationCell(cell);
  const job = new ExpiredHoldsJob(clients.ledger, { turnsADay: 3 });
  const expiresAgo = (interval: string, amountMinor: number) => cell.admin.run`
    update ledger.holds set expires_at = clock_timestamp() - ${interval}::interval where amount_minor = ${amountMinor}`;

  await play.play('authorise a1 c1 10 -> 00');
  await play.play('authorise a2 c1 20 -> 00');
  await play.play('authorise a3 c1 40 -> 00');
  await expiresAgo('2 days', 10);
  await job.run(signal);
  await play.play('balance c1 posted=1000 held=60');

  await expiresAgo('0 s', 20);
  await expiresAgo('1 hour', 40);
  await pause(2); // a turn knows the time in milliseconds: what expired within the last one is the next turn's
  await job.run(signal);
  await play.play('balance c1 posted=1000 held=40');
  await job.run(signal);
  await play.play('balance c1 posted=1000 held=40');
  await job.run(signal);
  await play.play('balance c1 posted=1000 held=0');
});
