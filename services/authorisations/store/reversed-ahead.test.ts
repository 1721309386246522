import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { forgetReversedAhead, rememberReversedAhead } from './reversed-ahead.ts';

test('a reversal that came ahead is forgotten after days of the database, whatever clock a process has', async (t) => {
  const cell = await testCell(t);
  const db = cell.opened.connect('authorisations', 1);
  const [late, fresh] = [randomUUID(), randomUUID()];
  await db.pipeline((tx) => {
    rememberReversedAhead(
      tx,
      new Map([
        [late, 0],
        [fresh, 250],
      ]),
    );
    return Promise.resolve();
  });
  await db.run`update authorisations.reversed_ahead set at = at - interval '4 days' where message_key = ${late}`;
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 8 * 24 * 3_600_000 });
  assert.equal(await forgetReversedAhead(db, 3), 1);
  assert.deepEqual(await db.rows`select message_key as key from authorisations.reversed_ahead`, [
    { key: fresh },
  ]);
});
