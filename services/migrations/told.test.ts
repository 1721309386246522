import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { bringIn, finish, migrate } from '#tools/testing/migrate.ts';
import { cure, poison } from '#tools/testing/poison.ts';
import { readScript } from '#tools/testing/script.ts';
import { cancelMigration } from './cancel-migration.ts';
import { pauseMigration } from './pause-migration.ts';
import { redrive } from './redrive.ts';
import { startMigration } from './start-migration.ts';
import { findMigration } from './store.ts';

/** What people do to a migration is told in the audit trail before it is committed: what cannot be told is not done. */
const [{ csv }] = readScript('full\n card c1 account=a\n card c2\n token t1 card=c1', 'told');
/** Whoever has such a name cannot be entered: it may be a card number. */
const NAMELESS = '4509170000000009';
const refused = { code: 'card_data_in_entry' };

const trailOf = async (cell: TestCell) =>
  (
    await cell.admin.rows<{ told: string }>`
      select actor || ' ' || action || ' ' || subject as told from audit.entries order by seq`
  ).map(({ told }) => told);

async function underWay(cell: TestCell): Promise<number> {
  const path = await cell.send(csv);
  const started = await startMigration(cell, path);
  await bringIn(cell, started, path);
  return started.migration.importNumber;
}

test('pausing and resuming are told, and not done by somebody who cannot be', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 1 } });
  const number = await underWay(cell);
  const isPaused = async () => (await findMigration(cell.db, number))!.paused;
  await assert.rejects(pauseMigration(cell, number, { paused: true, operator: NAMELESS }), refused);
  assert.equal(await isPaused(), false);
  assert.equal(await pauseMigration(cell, number, { paused: true, operator: 'ana' }), true);
  await assert.rejects(pauseMigration(cell, number, { paused: false, operator: NAMELESS }), refused);
  assert.equal(await isPaused(), true);
  assert.equal(await pauseMigration(cell, number, { paused: false, operator: 'luis' }), true);
  await finish(cell, number);
  assert.equal(await pauseMigration(cell, number, { paused: true, operator: 'ana' }), false, 'it is over');
  const id = `andina-production-${number}`;
  assert.deepEqual(await trailOf(cell), [`ana migration.paused ${id}`, `luis migration.resumed ${id}`]);
});

test('cancelling is told when it begins and when all was taken back', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 1 } });
  const number = await underWay(cell);
  const state = async () => (await findMigration(cell.db, number))!.state;
  const before = await state();
  await assert.rejects(cancelMigration(cell, number, NAMELESS), refused);
  assert.equal(await state(), before);
  await cancelMigration(cell, number, 'ana');
  const id = `andina-production-${number}`;
  assert.deepEqual(await trailOf(cell), [
    `ana migration.cancel_begun ${id}`,
    `ana migration.cancelled ${id}`,
  ]);
});

test('a cancelling that died before its end is told by whoever finishes it', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 1 } });
  const number = await underWay(cell);
  // The last thing it does fails, as if its process had been killed there.
  await cell.admin.run`alter table migrations.dead_letters rename to away`;
  await assert.rejects(cancelMigration(cell, number, 'ana'));
  assert.equal((await findMigration(cell.db, number))!.state, 'cancelling');
  await cell.admin.run`alter table migrations.away rename to dead_letters`;
  await cancelMigration(cell, number, 'luis');
  const id = `andina-production-${number}`;
  assert.deepEqual(await trailOf(cell), [
    `ana migration.cancel_begun ${id}`,
    `luis migration.cancelled ${id}`,
  ]);
});

test('a redrive is told with its lines, and not done by somebody who cannot be told', async (t) => {
  const cell = await testCell(t);
  const row = { table: 'cards.tokens', column: 'external_token_ref', value: 'told-t1' } as const;
  await poison(cell, row);
  const { migration } = await migrate(cell, csv);
  await cure(cell, row);
  await assert.rejects(redrive(cell, migration, {}, NAMELESS), refused);
  assert.equal((await findMigration(cell.db, migration.importNumber))!.state, 'completed');
  assert.equal(await redrive(cell, migration, { code: 'card_is_dead' }, 'ana'), 0, 'none of them');
  assert.equal(await redrive(cell, migration, {}, 'ana'), 1);
  assert.deepEqual(await trailOf(cell), [
    `ana migration.redriven andina-production-${migration.importNumber}`,
  ]);
});
