import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Batch } from '#runtime/batch/batch.ts';
import { cardholderRow } from '#services/cardholders/service.ts';
import { cardRow } from '#services/cards/service.ts';
import { accountRow } from '#services/ledger/service.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { type TestCell, testCell } from '#tools/testing/cell.ts';
import { hostileScript } from '#tools/testing/hostile-script.ts';
import { bringIn, finish, migrate, workQueue } from '#tools/testing/migrate.ts';
import { readScript } from '#tools/testing/script.ts';
import { runs } from '#tools/testing/seed.ts';
import { storedRows, type StoredRows } from '#tools/testing/tables.ts';
import { cancelMigration } from './cancel-migration.ts';
import { startMigration } from './start-migration.ts';

/** A cancelled migration leaves no trace: every table is as it was before. */
const cell = await testCell(null, { settings: { RELEVO_CHUNK_LINES: 3 } });

/**
 * What the services hold, but for what has to stay: the ledger never forgets a transfer that moved a balance, it
 * moves it back; a clearing account stays open, at zero; the gate of a withdrawn import stays shut. Which import
 * named an unchanged hold last is no matter.
 */
async function holdings(at: TestCell): Promise<StoredRows> {
  const { 'ledger.transfers': _, ...stored } = await storedRows(at, ['cards', 'cardholders', 'ledger']);
  const lasting = Object.entries(stored).filter(([table]) => !table.endsWith('.imports'));
  const emptyClearing = /"posted_minor":0,.*"account_type":"clearing"/;
  return Object.fromEntries(
    lasting.map(([table, rows]) => [
      table,
      rows
        .filter((row) => table !== 'ledger.accounts' || !emptyClearing.test(row))
        .map((row) => (table === 'ledger.holds' ? row.replace(/"stated_by_import":\d+,/, '') : row)),
    ]),
  );
}

/** Starts a file and works part of it or all, but leaves the books open. */
async function beginAndCancel(at: TestCell, csv: string, { chunks = Infinity } = {}): Promise<number> {
  const path = await at.send(csv);
  const started = await startMigration(at, path);
  assert.equal(started.verdict, 'accepted');
  const { importNumber } = started.migration;
  await bringIn(at, started, path);
  if (chunks === Infinity) await workQueue(at, importNumber, { workers: 2 });
  else await workQueue(at, importNumber, { workers: 1, signal: await afterChunks(at, importNumber, chunks) });
  await cancelMigration(at, importNumber, 'ana');
  return importNumber;
}

/** A signal that comes when so many chunks are done. */
async function afterChunks(at: TestCell, importNumber: number, chunks: number): Promise<AbortSignal> {
  const stop = new AbortController();
  const watch = async () => {
    for (;;) {
      const [{ done, all }] = await at.admin.rows<{ done: bigint; all: bigint }>`
        select count(*) filter (where state = 'done') as done, count(*) as all
          from migrations.chunks where import_number = ${importNumber}`;
      if (done >= chunks || done === all) return stop.abort();
    }
  };
  void watch();
  return stop.signal;
}

test('all that an import did is taken back, and the same file can be loaded again', async () => {
  const [full, delta] = readScript(
    `
    full
    card c1 account=a posted=100
    card c2 account=b posted=-7 account_type=credit limit=50
    card c3
    hold h1 card=c1 amount=10
    hold h2 card=c2 amount=3
    token t1 card=c1
    delta
    card c1 v=2 account=a posted=250 city=Ilo pan=new
    card c1 v=3 op=close account=a posted=250
    card c2 v=1 account=b posted=-7 account_type=credit limit=50
    card c4 account=new posted=1 currency=USD
    card c5 account=zero posted=0 currency=EUR
    hold h1 card=c2 amount=20
    hold h2 card=c2 amount=3
    hold h3 card=c4 amount=5 currency=USD
    token t1 card=c2 status=deleted
    token t2 card=c4
    `,
    'all',
  );
  await migrate(cell, full.csv);
  const before = await holdings(cell);
  await beginAndCancel(cell, delta.csv);
  assert.deepEqual(await holdings(cell), before);
  await assertLedgerLaws(cell);
  const again = await migrate(cell, delta.csv);
  assert.deepEqual(again.report.outcomes, { updated: 4, unchanged: 2, migrated: 4 });
  assert.equal(again.report.reconciled, true);
  await assertLedgerLaws(cell);
});

let scripts = 0;

test('hostile files are taken back, wherever they were stopped', () =>
  fc.assert(
    fc.asyncProperty(hostileScript, fc.nat(6), async (script, chunks) => {
      const files = readScript(script.replaceAll(/^mock/gm, 'delta'), `w${++scripts}`);
      for (const [i, { csv }] of files.entries()) {
        const before = await holdings(cell);
        await beginAndCancel(cell, csv, { chunks: chunks + i });
        assert.deepEqual(await holdings(cell), before);
        await assertLedgerLaws(cell);
        const { report } = await migrate(cell, csv);
        assert.deepEqual([report.state, report.reconciled], ['completed', true]);
        await assertLedgerLaws(cell);
      }
    }),
    runs(20),
  ));

test('a cancelled import writes no more, and cancelling twice is refused', async (t) => {
  const own = await testCell(t, { settings: { RELEVO_CHUNK_LINES: 1 } });
  const [file] = readScript('full\n card c1\n card c2\n hold h1 card=c1', 'late');
  const importNumber = await beginAndCancel(own, file.csv, { chunks: 1 });
  const empty = await holdings(own);
  for (const rows of Object.values(empty)) assert.deepEqual(rows, []);
  const withdrawn = (error: unknown) => (error as { code: string }).code === 'import_withdrawn';
  const { cards, cardholders, ledger } = own.clients;
  await assert.rejects(cards.importCards({ importNumber, rows: new Batch(cardRow) }), withdrawn);
  await assert.rejects(
    cardholders.importCardholders({ importNumber, rows: new Batch(cardholderRow) }),
    withdrawn,
  );
  await assert.rejects(
    ledger.stateAccounts({ importNumber, asOf: new Date(), rows: new Batch(accountRow) }),
    withdrawn,
  );
  await assert.rejects(
    cancelMigration(own, importNumber, 'ana'),
    (error) => (error as { code: string }).code === 'not_active',
  );
});

test('a migration whose books are closed can no longer be cancelled', async (t) => {
  const own = await testCell(t);
  const [file] = readScript('full\n card c1', 'closed');
  const { migration } = await migrate(own, file.csv);
  const before = await storedRows(own);
  await assert.rejects(
    cancelMigration(own, migration.importNumber, 'ana'),
    (error) => (error as { code: string }).code === 'already_completed',
  );
  assert.deepEqual(await storedRows(own), before);
  assert.equal((await finish(own, migration.importNumber)).report.state, 'completed');
});
