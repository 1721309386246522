import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testCell } from '#tools/testing/cell.ts';
import { beat, forgetPeers } from './peers.ts';

test('a process is forgotten after hours of the database, whatever clock the one has that tidies', async (t) => {
  const cell = await testCell(t);
  const db = cell.opened.connect('authorisations', 1);
  const heartbeat = { networkSignedOn: true, processorUp: {}, answered: 0, unrecorded: 0, p99Ms: null };
  await beat(db, { process: 'killed', ...heartbeat });
  await beat(db, { process: 'living', ...heartbeat });
  await db.run`update authorisations.peers set seen_at = seen_at - interval '25 hours' where process = 'killed'`;
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 8 * 24 * 3_600_000 });
  assert.equal(await forgetPeers(db, 24), 1);
  assert.deepEqual(await db.rows`select process from authorisations.peers`, [{ process: 'living' }]);
});
