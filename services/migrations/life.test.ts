import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { testCell } from '#tools/testing/cell.ts';
import { bringIn, finish, migrate, migrateFile, readMigrated, workQueue } from '#tools/testing/migrate.ts';
import { judge } from '#tools/testing/play.ts';
import { readScript } from '#tools/testing/script.ts';
import { storedRows } from '#tools/testing/tables.ts';
import { cancelMigration } from './cancel-migration.ts';
import { loadFile } from './file/load-file.ts';
import { emptyState } from './oracle/state.ts';
import { validatePortfolio } from './portfolio-rehearsal.ts';
import { closeWhenDone, loadMigration, startMigration, whileDriving } from './start-migration.ts';
import { findMigration, setPaused } from './store.ts';

/** The life of a migration: paused, resumed, cancelled, interrupted, started twice, in another's way. */
const [{ csv }] = readScript(
  `
  full
  card c1 account=a
  card c2 account=a
  card c3
  card c3 v=2
  card c4 country=XX
  hold h1 card=c1
  hold h2 card=c4
  token t1 card=c2
  `,
  'life',
);
const [{ csv: otherCsv }] = readScript('full\n card d1', 'other');
const outcomes = judge(csv, emptyState()).outcomes;
const small = { settings: { RELEVO_CHUNK_LINES: 2 } };
const hasCode = (code: string) => (error: unknown) => (error as { code: string }).code === code;

test('paused it halts, resumed it goes on', async (t) => {
  const cell = await testCell(t, small);
  const path = await cell.send(csv);
  const started = await startMigration(cell, path);
  const { importNumber } = started.migration;
  await bringIn(cell, started, path);
  assert.equal(await setPaused(cell.db, importNumber, true), true);
  await workQueue(cell, importNumber, { signal: AbortSignal.timeout(300) });
  const halted = await readMigrated(cell, started.migration);
  assert.deepEqual([halted.report.state, halted.report.outcomes], ['paused', {}]);
  assert.equal((await closeWhenDone(cell, importNumber, 'me')).state, 'working');
  assert.equal(await setPaused(cell.db, importNumber, false), true);
  const { report } = await finish(cell, importNumber);
  assert.deepEqual([report.outcomes, report.reconciled], [outcomes, true]);
  assert.equal(await setPaused(cell.db, importNumber, true), false, 'what is completed cannot be paused');
});

test('paused while it is loading it stops at a chunk, resumed it queues what is missing', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 1 } });
  const path = await cell.send(csv);
  const started = await startMigration(cell, path);
  assert.equal(started.verdict, 'accepted');
  const { migration, file } = started;
  await setPaused(cell.db, migration.importNumber, true);
  assert.equal(await loadMigration(cell, migration, file, path), 'stopped');
  await setPaused(cell.db, migration.importNumber, false);
  assert.equal(await loadMigration(cell, migration, file, path), 'loaded');
  const { report, lines } = await finish(cell, migration.importNumber, { workers: 2 });
  assert.deepEqual([report.outcomes, report.reconciled, lines.length], [outcomes, true, 8]);
});

test('an interrupted loader is resumed by starting the same file again, whatever was worked meanwhile', async (t) => {
  const cell = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 3 } });
  const path = await cell.send(csv);
  const started = await startMigration(cell, path);
  assert.equal(started.verdict, 'accepted');
  const { importNumber } = started.migration;
  const stop = { mayGoOn: () => Promise.resolve(false) };
  assert.equal(await loadFile(cell, importNumber, started.file, stop), 'stopped');
  await workQueue(cell, importNumber, { signal: AbortSignal.timeout(300) });
  // Another process, with another setting, from a copy of the file: chunks are cut as the first one cut them.
  const later = { ...cell, ...(await cell.enter({ RELEVO_CHUNK_LINES: 100 })) };
  const copy = join(cell.folder, 'copy');
  await copyFile(path, copy);
  const { report, lines } = await migrateFile(later, copy, { workers: 2 });
  assert.equal(report.migration, `andina-production-${importNumber}`);
  assert.deepEqual([report.outcomes, report.reconciled, lines.length], [outcomes, true, 8]);
});

test('what is loaded is what was verified, whatever becomes of the file meanwhile', async (t) => {
  const cell = await testCell(t);
  const path = await cell.send(csv);
  const started = await startMigration(cell, path);
  assert.equal(started.verdict, 'accepted');
  const { migration, file } = started;
  await writeFile(path, 'something else');
  assert.equal(await loadMigration(cell, migration, file, path), 'loaded');
  const { report } = await finish(cell, migration.importNumber);
  assert.deepEqual([report.outcomes, report.reconciled], [outcomes, true]);
});

test('a file that is not there says so', async (t) => {
  const cell = await testCell(t);
  await assert.rejects(startMigration(cell, join(cell.folder, 'nowhere')), hasCode('no_such_file'));
  await assert.rejects(startMigration(cell, cell.folder), hasCode('no_such_file'));
});

test('a file that has to be read again, and is another one by then, takes no effect', async (t) => {
  const cell = await testCell(t, small);
  const path = await cell.send(csv);
  await startMigration(cell, path);
  // Another process, with another setting, has to cut it as the first one did.
  const later = { ...cell, ...(await cell.enter({ RELEVO_CHUNK_LINES: 100 })) };
  const started = await startMigration(later, path);
  assert.equal(started.verdict, 'accepted');
  const { migration, file } = started;
  for (const other of [await cell.send(csv.replaceAll('Quispe', 'Mamani')), await cell.send(otherCsv)]) {
    await copyFile(other, path);
    await assert.rejects(loadMigration(later, migration, file, path), hasCode('file_changed'));
  }
  await writeFile(path, 'something else');
  await assert.rejects(loadMigration(later, migration, file, path), hasCode('file_changed'));
  assert.deepEqual((await storedRows(cell, ['migrations']))['migrations.chunks'], []);
  await cancelMigration(cell, migration.importNumber, 'ana');
  assert.deepEqual((await migrate(cell, csv)).report.outcomes, outcomes);
});

test('two starts of one file at once are one migration', async (t) => {
  const cell = await testCell(t, small);
  const other = { ...cell, ...(await cell.enter()) };
  const [one, two] = [await cell.send(csv), await cell.send(csv)];
  const both = await Promise.all([startMigration(cell, one), startMigration(other, two)]);
  const numbers = both.map(({ migration }) => migration.importNumber);
  assert.equal(numbers[0], numbers[1]);
  assert.deepEqual(both.map((each) => each.verdict === 'accepted' && each.resumes).sort(), [false, true]);
  await Promise.all([bringIn(cell, both[0], one), bringIn(other, both[1], two)]);
  const finished = await Promise.all([finish(cell, numbers[0]), finish(other, numbers[0])]);
  const migration = (await findMigration(cell.db, numbers[0]))!;
  assert.equal(migration.state, 'completed');
  const { report, lines } = await readMigrated(cell, migration);
  assert.deepEqual([report.outcomes, report.reconciled, lines.length], [outcomes, true, 8]);
  assert.equal(finished.length, 2);
  assert.equal((await storedRows(cell, ['migrations']))['migrations.migrations'].length, 1);
});

test('a start that meets another start of its file half way is told of the same migration', async (t) => {
  const cell = await testCell(t);
  const path = await cell.send(csv);
  let second: ReturnType<typeof startMigration> | undefined;
  let first = 0;
  await cell.admin.transaction(async (tx) => {
    // The other start: it has the cell's lock and has entered the file, but its transaction is not over.
    await tx.rows`select pg_advisory_xact_lock(7350001)`;
    [{ first }] = await tx.rows<{ first: number }>`
      insert into migrations.migrations (state, kind, file_id, source, sequence, path, plaintext_sha256)
      values ('loading', 'full', 'life-1', 'life', 1, 'elsewhere', ${createHash('sha256').update(csv).digest('hex')})
      returning import_number as first`;
    second = startMigration(cell, path);
    second.catch(() => {});
    await sleep(80);
  });
  assert.equal((await second!).migration.importNumber, first);
});

test('a start that another start of its file overtakes while it verifies is told of the same migration', async (t) => {
  const cell = await testCell(t);
  const path = await cell.send(csv);
  let first: Awaited<ReturnType<typeof startMigration>> | undefined;
  const overtaken: typeof cell.db = {
    ...cell.db,
    // Behind the first answer that it gets: nothing of this file is here yet.
    rows: async <R>(...query: Parameters<typeof cell.db.rows>) => {
      const answer = await cell.db.rows<R>(...query);
      first ??= await startMigration(cell, path);
      return answer;
    },
  };
  const second = await startMigration({ ...cell, db: overtaken }, path);
  assert.equal(first?.verdict, 'accepted');
  assert.deepEqual(second.verdict === 'accepted' && second.resumes, true);
  assert.equal(second.migration.importNumber, first.migration.importNumber);
});

test('only one process drives a migration at a time, and a drive that is not renewed runs out', async (t) => {
  const cell = await testCell(t);
  const started = await startMigration(cell, await cell.send(csv));
  const { importNumber } = started.migration;
  let second: unknown = 'not asked';
  const first = await whileDriving(cell, importNumber, 'first', async () => {
    second = await whileDriving(cell, importNumber, 'second', () => Promise.resolve('drove'));
    return 'drove';
  });
  assert.deepEqual([first, second], ['drove', undefined]);
  assert.equal(await whileDriving(cell, importNumber, 'second', () => Promise.resolve('drove')), 'drove');
});

test('a second file while one is under way is told to wait', async (t) => {
  const cell = await testCell(t, small);
  const path = await cell.send(csv);
  const started = await startMigration(cell, path);
  const other = await cell.send(otherCsv);
  await assert.rejects(startMigration(cell, other), hasCode('cell_busy'));
  await assert.rejects(validatePortfolio(cell, other, {}), hasCode('cell_busy'));
  await bringIn(cell, started, path);
  await assert.rejects(startMigration(cell, other), hasCode('cell_busy'));
  await finish(cell, started.migration.importNumber);
  assert.deepEqual((await migrateFile(cell, other)).report.outcomes, { migrated: 1 });
});

test('a file cannot begin while another is being validated', async (t) => {
  const cell = await testCell(t);
  const [path, other] = [await cell.send(csv), await cell.send(otherCsv)];
  let refused: unknown;
  await validatePortfolio(cell, path, {
    onResults: async () => {
      refused ??= await startMigration(cell, other).catch((error: unknown) => error);
    },
  });
  assert.ok(hasCode('cell_busy')(refused));
  assert.deepEqual((await migrateFile(cell, other)).report.outcomes, { migrated: 1 });
});

test('cancelled while it is loading, nothing is left and the file may come again', async (t) => {
  const cell = await testCell(t, small);
  const path = await cell.send(csv);
  const started = await startMigration(cell, path);
  assert.equal(started.verdict, 'accepted');
  const { importNumber } = started.migration;
  const stop = { mayGoOn: () => Promise.resolve(false) };
  await loadFile(cell, importNumber, started.file, stop);
  await cancelMigration(cell, importNumber, 'ana');
  const left = await storedRows(cell, ['migrations']);
  assert.deepEqual([left['migrations.chunks'], left['migrations.claims']], [[], []]);
  const { report } = await migrateFile(cell, path);
  assert.equal(report.migration, `andina-production-${importNumber + 1}`);
  assert.deepEqual([report.outcomes, report.reconciled], [outcomes, true]);
});
