import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startMigration } from '#services/migrations/start-migration.ts';
import { validatePortfolio } from '#services/migrations/portfolio-rehearsal.ts';
import { testCell } from '#tools/testing/cell.ts';
import { goodFile } from '#tools/testing/good-file.ts';
import { migrate, migrateFile } from '#tools/testing/migrate.ts';
import { storedRows } from '#tools/testing/tables.ts';

test('the same file again answers the same migration, also when it was encrypted anew', async (t) => {
  const cell = await testCell(t);
  const path = await cell.send(goodFile());
  const first = await migrateFile(cell, path);
  const stored = await storedRows(cell);
  const result = await readFile(first.report.result_file!);

  const again = await migrateFile(cell, path);
  const anew = await cell.send(goodFile());
  assert.notDeepEqual(await readFile(anew), await readFile(path));
  const encryptedAnew = await migrateFile(cell, anew);
  for (const repeated of [again, encryptedAnew])
    assert.deepEqual(
      { ...repeated.report, seconds: 0, cards_per_second: 0 },
      { ...first.report, seconds: 0, cards_per_second: 0 },
    );
  assert.deepEqual(await storedRows(cell), stored);
  assert.deepEqual(await readFile(first.report.result_file!), result);
  assert.equal((await startMigration(cell, anew)).verdict, 'accepted');
  assert.equal((await validatePortfolio(cell, anew, {})).known_as, first.report.migration);
});

test('other line ends are other content: the file id is used up', async (t) => {
  const cell = await testCell(t);
  await migrate(cell, goodFile());
  const { report } = await migrate(cell, goodFile({ lineEnd: '\r\n' }));
  assert.equal(report.refusal?.code, 'file_id_reused');
});

test('a refused file leaves its id and its sequence free', async (t) => {
  const cell = await testCell(t);
  const wrong = await migrate(cell, goodFile({ trailer: { card_rows: '5' } }));
  assert.equal(wrong.report.refusal?.code, 'control_totals_mismatch');
  assert.deepEqual((await migrate(cell, goodFile())).report.outcomes, { migrated: 3 });
});

test('a mock takes neither id nor sequence: it may be sent again and again, before the file and after it', async (t) => {
  const cell = await testCell(t);
  const mock = (city: string) => goodFile({ header: { kind: 'mock', sequence: '0' }, card: { city } });
  assert.deepEqual((await migrate(cell, mock('Lima'))).report.outcomes, { migrated: 3 });
  assert.deepEqual((await migrate(cell, mock('Puno'))).report.outcomes, { migrated: 3 });
  assert.deepEqual((await migrate(cell, goodFile())).report.outcomes, { migrated: 3 });
  const later = { header: { kind: 'mock', sequence: '0', file_id: 'later' } } as const;
  assert.deepEqual((await migrate(cell, goodFile(later))).report.outcomes, { unchanged: 3 });
  const next = { header: { kind: 'delta', sequence: '2', file_id: 'next' } } as const;
  assert.deepEqual((await migrate(cell, goodFile(next))).report.outcomes, { unchanged: 3 });
});
