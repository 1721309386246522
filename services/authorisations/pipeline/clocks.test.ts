import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { authorisationCell, setTestRange, testPipeline } from '#tools/testing/authorisations.ts';
import { testCell } from '#tools/testing/cell.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { ControlsCache } from '../controls/controls-cache.ts';
import { Processors } from '../relay/processors.ts';
import { MessagePipeline } from './pipeline.ts';

const DAY_MS = 24 * 3_600_000;

const cell = await testCell();
await setTestRange(cell);
await MessagePlay.cards(
  cell,
  `full
  card c1 posted=100000
  card c2 posted=1000 daily_limit_minor=100
  card c3 posted=100000`,
  'c',
);

interface Scope {
  after(clean: () => Promise<void>): unknown;
}

/** What a process answers whose clock is so many days ahead, or behind. */
async function processAhead(t: Scope, days: number): Promise<MessagePlay> {
  const processors = new Processors({ inFlightMax: 10 });
  const entered = await authorisationCell(cell);
  const pipeline = new MessagePipeline({
    ...entered,
    controls: new ControlsCache(entered.db, { msMax: 0 }),
    processors,
    now: () => Date.now() + days * DAY_MS,
  });
  await pipeline.refreshRanges();
  t.after(async () => {
    pipeline.close();
    await processors.close();
  });
  return new MessagePlay(cell, pipeline, 'c');
}

let messages = 0;
/** Plays count trace numbers from one, so that those of different plays would be the same message. */
const traced = () => `11=${String(500_000 + ++messages)}`;

suite('a process whose clock is wrong', () => {
  for (const days of [-8, 8, 400]) {
    test(`places holds that last as long as those of others, ${days} days off`, async (t) => {
      const wrong = await processAhead(t, days);
      const amount = 100 + Math.abs(days) + Math.sign(days);
      await wrong.play(`authorise a${days} c1 ${amount} ${traced()} -> 00`);
      assert.deepEqual(
        await cell.admin.rows`
          select abs(extract(epoch from expires_at - now() - interval '7 days')) < 60 as "lastsAWeek"
            from ledger.holds where amount_minor = ${amount}`,
        [{ lastsAWeek: true }],
      );
    });

    test(`records when a message came and was answered as others do, ${days} days off`, async (t) => {
      const wrong = await processAhead(t, days);
      const amount = 200 + Math.abs(days) + Math.sign(days);
      await wrong.play(`authorise b${days} c3 ${amount} ${traced()} -> 00`);
      assert.deepEqual(
        await cell.admin.rows`
          select abs(extract(epoch from received_at - now())) < 60 as received,
                 abs(extract(epoch from answered_at - now())) < 60 as answered
            from authorisations.messages where amount_minor = ${amount}`,
        [{ received: true, answered: true }],
      );
    });
  }

  test('opens no limit anew that is spent', async (t) => {
    const { pipeline } = await testPipeline(t, cell);
    await new MessagePlay(cell, pipeline, 'c').play(`authorise d1 c2 100 ${traced()} -> 00`);
    for (const days of [1, 8, 40]) {
      const wrong = await processAhead(t, days);
      await wrong.play(`authorise e${days} c2 1 ${traced()} -> 61`);
    }
  });
});

test('a hold lasts from when it was placed, also where its sender dates it months ago', async (t) => {
  const { pipeline } = await testPipeline(t, cell);
  const monthsAgo = new Date(Date.now() - 90 * DAY_MS).toISOString().replace(/\D/g, '').slice(4, 14);
  await new MessagePlay(cell, pipeline, 'c').play(`authorise f1 c1 77 ${traced()} 7=${monthsAgo} -> 00`);
  assert.deepEqual(
    await cell.admin.rows`
      select approved_at < now() - interval '80 days' as "isOld",
             expires_at > now() + interval '6 days' as "isGood"
        from ledger.holds where amount_minor = 77`,
    [{ isOld: true, isGood: true }],
  );
});
