import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { newCellFile, newKek, readCellFile, writeCellFile } from '#delivery/cells/cell-file.ts';
import { databaseName } from '#delivery/cells/cell-name.ts';
import { CELL_ROLES } from '#delivery/cells/cell-roles.ts';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { openCell } from '#delivery/cells/open-cell.ts';
import { rotateKeys } from '#delivery/cells/rotate-keys.ts';
import { Refusal } from '#runtime/refusal.ts';
import { services } from '#services/all.ts';
import { assertRefused } from '#tools/testing/assert-refused.ts';
import { assertLedgerLaws } from '#tools/testing/books.ts';
import { testCell, type TestCell } from '#tools/testing/cell.ts';
import { livelyCell } from '#tools/testing/lively-cell.ts';
import { MessagePlay } from '#tools/testing/message-play.ts';
import { testServer } from '#tools/testing/server.ts';
import { storedRows } from '#tools/testing/tables.ts';
import { checkRows } from './check-books.ts';
import { noProgress } from './progress.ts';
import { besideNames } from './beside-names.ts';
import { restoreCell, type RestoreWanted } from './restore-cell.ts';
import { takeTurn } from './take-turn.ts';
import { withOwner } from './snapshot.ts';
import { writeBackup, type WrittenBackup } from './write-backup.ts';

const { server } = await testServer();
const SCHEMAS = [...services.map(({ name }) => name), 'cell'];
const OPERATOR = 'ana.quispe';

let files = 0;
const backUp = (cell: TestCell): Promise<WrittenBackup> =>
  writeBackup(server, cell.opened.home, cell.name, {
    path: join(cell.folder, `${++files}.relevo-backup`),
    operator: OPERATOR,
  });

const restore = (cell: TestCell, path: string, options: Partial<RestoreWanted> = {}) =>
  restoreCell(server, cell.opened.home, cell.name, { path, operator: OPERATOR, ...options });

const admin = new pg.Client({ connectionString: server.adminUrl });
await admin.connect();
after(() => admin.end());

/** Ends the sessions of a cell's pools, which open others when they are used again. */
async function leave({ name }: TestCell): Promise<void> {
  const here = 'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1';
  while ((await admin.query(here, [databaseName(name)])).rowCount) continue;
}

async function databasesOf({ name }: TestCell): Promise<string[]> {
  const { rows } = await admin.query<{ datname: string }>(
    'select datname from pg_database where starts_with(datname, $1) order by 1',
    [databaseName(name)],
  );
  return rows.map(({ datname }) => datname);
}

const CARDS = `
  full
  card c1 posted=100
  card c2 posted=5000 pin_format=iso0 pin_value=0123456789ABCDEF pin_key_id=k1
  card c3 posted=700 account=c2x
  hold h1 card=c2 amount=60
  token t1 card=c1
  delta
  card c1 v=2 posted=250
  card c2 v=2 posted=4000 status=blocked pin_format=iso0 pin_value=0123456789ABCDEF pin_key_id=k1`;

const MESSAGES = `
  authorise  a1 c1 60             -> 00
  authorise  a2 c1 5000           -> 51
  clear      a1 25                -> 00
  authorise  a3 c1 40             -> 00
  reverse    a3 left=10           -> 00`;

/** With cards, replaced versions, holds, tokens, and messages that moved money. */
const LIVELY = { cards: CARDS, messages: MESSAGES };

test('a restored cell holds what the backup does, row by row, and goes on from there', async (t) => {
  const { cell, play } = await livelyCell(t, LIVELY);
  const trail = await openAudit(cell.opened, 'cells');
  await trail.appendEntries([{ actor: OPERATOR, action: 'cell.made', subject: 'andina/production' }]);
  const before = await storedRows(cell, SCHEMAS);
  const written = await backUp(cell);
  assert.equal((await stat(written.path)).mode & 0o777, 0o600);
  for (const { table, rows } of written.manifest.tables) assert.equal(rows, before[table].length, table);
  assert.ok(before['ledger.replaced_statements'].length > 0 && before['authorisations.messages'].length > 4);

  await play.play('authorise  late c1 30 -> 00');
  await cell.admin.run`delete from cards.tokens`;
  const head = await trail.readHead().catch(() => null);
  assert.equal(head, null, 'the head is for operators and services, not for cells');
  await leave(cell);
  const restored = await restore(cell, written.path);
  assert.equal(restored.outcome, 'restored');
  assert.deepEqual(
    restored.checks.flatMap(({ problems }) => problems),
    [],
  );
  assert.ok(restored.checks.length > written.manifest.tables.length);
  assert.deepEqual(await databasesOf(cell), [databaseName(cell.name)]);

  const now = await storedRows(cell, SCHEMAS);
  const added = now['audit.entries'].filter((row) => !before['audit.entries'].includes(row));
  assert.deepEqual({ ...now, 'audit.entries': before['audit.entries'] }, before);
  assert.equal(added.length, 1);
  const entry = JSON.parse(added[0]) as { actor: string; action: string; details: string };
  assert.deepEqual([entry.actor, entry.action], [OPERATOR, 'cell.restored']);
  const details = JSON.parse(entry.details) as Record<string, string>;
  assert.equal(details['backup'], written.header.id);
  assert.equal(details['head_of_backup'], written.manifest.trailHead);
  assert.equal(details['head_before'], restored.trailHeadBefore);
  assert.notEqual(restored.trailHeadBefore, written.manifest.trailHead, 'the backup itself was on the trail');

  // Numbers go on behind those that are there, and the roles of the cell have their rights again.
  await assertLedgerLaws(cell);
  const operators = await openAudit(cell.opened, 'operators');
  assert.equal((await operators.verifyTrail({ anchors: [] })).breaksTotal, 0);
  await MessagePlay.cards(cell, 'full\n card c9 posted=10', `n${++files}`);
  await play.play('repeat  a2 -> 51');
});

test('a drill restores beside a cell that is in use, and leaves nothing', async (t) => {
  const { cell } = await livelyCell(t, LIVELY);
  const written = await backUp(cell);
  const but = SCHEMAS.filter((schema) => schema !== 'audit');
  const before = await storedRows(cell, but);
  const drilled = await restore(cell, written.path, { drill: true });
  assert.equal(drilled.outcome, 'drilled');
  assert.ok(drilled.checks.every(({ problems }) => problems.length === 0));
  const opened = drilled.checks.filter(({ check }) => check.endsWith('open'));
  assert.deepEqual(
    opened.map(({ seen }) => seen),
    ['3 card numbers', '1 PIN value', '1 private key'],
  );
  assert.deepEqual(await storedRows(cell, but), before);
  assert.deepEqual(await actionsOf(cell), ['cell.backed_up', 'cell.drill_begun']);
  assert.deepEqual(await databasesOf(cell), [databaseName(cell.name)]);
});

const actionsOf = async ({ admin }: TestCell): Promise<string[]> =>
  (await admin.rows<{ action: string }>`select action from audit.entries order by seq`).map(
    ({ action }) => action,
  );

test('a cell in use is not restored, and whoever uses it is named', async (t) => {
  const cell = await testCell(t);
  const { path } = await backUp(cell);
  await leave(cell);
  await cell.opened.connect('ledger', 1).rows`select`;
  await assertRefused(restore(cell, path), 'cell_in_use', /relevo ledger \(1\)/);
  await leave(cell);
  assert.equal((await restore(cell, path)).outcome, 'restored');
});

test('whoever comes in while the rows are loaded stops the swap, and the cell stays as it is', async (t) => {
  const cell = await testCell(t);
  const { path } = await backUp(cell);
  await cell.admin.run`insert into ledger.imports (import_number, state) values (77, 'open')`;
  await leave(cell);
  const comeIn = {
    begin: (step: string) => void (step === 'compare' && cell.admin.rows`select`.catch(() => {})),
    update() {},
    end() {},
  };
  await assertRefused(restore(cell, path, { progress: comeIn }), 'cell_in_use', /relevo test/);
  assert.deepEqual(await databasesOf(cell), [databaseName(cell.name)]);
  assert.equal((await cell.admin.rows`select from ledger.imports where import_number = 77`).length, 1);
});

test('two restores of a cell do not run at once', async (t) => {
  const cell = await testCell(t);
  const { path } = await backUp(cell);
  await takeTurn(admin, cell.name);
  await assertRefused(restore(cell, path, { drill: true }), 'restore_under_way');
  await admin.query('select pg_advisory_unlock_all()');
  assert.equal((await restore(cell, path, { drill: true })).outcome, 'drilled');
});

test('a backup is refused by another cell, by other keys, and by an earlier release', async (t) => {
  const cell = await testCell(t);
  const other = await testCell(t);
  const { path } = await backUp(cell);
  await assertRefused(restore(other, path, { drill: true }), 'backup_of_another_cell');

  const file = (await readCellFile(cell.opened.home, cell.name))!;
  await writeCellFile(cell.opened.home, {
    ...newCellFile(cell.name, CELL_ROLES, new Date()),
    passwords: file.passwords,
  });
  await assertRefused(restore(cell, path, { drill: true }), 'wrong_key_file', /[0-9a-f]{32}/);
  await writeCellFile(cell.opened.home, file);

  const bytes = await readFile(path);
  const later = Buffer.from(
    bytes.toString('latin1').replace('0002-issued-here', '0009-issued-here'),
    'latin1',
  );
  const laterPath = await cell.keep(later);
  await assertRefused(
    restore(cell, laterPath, { drill: true }),
    'backup_of_later_release',
    /cards\/0009-issued-here/,
  );
  const format = await cell.keep(
    Buffer.from(bytes.toString('latin1').replace('backup 1\n', 'backup 2\n'), 'latin1'),
  );
  await assertRefused(restore(cell, format, { drill: true }), 'backup_of_later_release', /format/);

  await assertRefused(restore(cell, await cell.keep('no backup at all'), { drill: true }), 'not_a_backup');
  await assertRefused(restore(cell, await cell.keep(''), { drill: true }), 'not_a_backup');
  await assertRefused(restore(cell, cell.folder, { drill: true }), 'not_a_backup', /no file/);
  await assertRefused(restore(cell, join(cell.folder, 'nowhere'), { drill: true }), 'no_such_file');
  await assertRefused(
    restoreCell(
      server,
      cell.opened.home,
      { tenant: 'nobody', environment: 'demo' },
      { path, operator: OPERATOR },
    ),
    'unknown_cell',
  );
});

test('a backup that is altered or cut anywhere is refused before anything is touched', async (t) => {
  const cell = await testCell(t);
  await MessagePlay.cards(cell, 'full\n card c1 posted=100\n hold h1 card=c1 amount=60', `f${++files}`);
  const { path } = await backUp(cell);
  const bytes = await readFile(path);
  const before = await storedRows(cell, SCHEMAS);
  await leave(cell);
  const damaged = join(cell.folder, 'damaged');
  const damage = fc.oneof(
    fc.record({ at: fc.nat(bytes.length - 1), bit: fc.nat(7) }).map(({ at, bit }) => {
      const altered = Buffer.from(bytes);
      altered[at] ^= 1 << bit;
      return altered;
    }),
    fc.nat(400).map((at) => {
      const altered = Buffer.from(bytes);
      altered[at] ^= 1;
      return altered;
    }),
    fc.nat(bytes.length - 1).map((length) => bytes.subarray(0, length)),
    fc.uint8Array({ minLength: 1, maxLength: 40 }).map((more) => Buffer.concat([bytes, more])),
    fc
      .tuple(fc.nat(bytes.length - 1), fc.nat(200))
      .map(([at, count]) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count + 1)])),
  );
  await fc.assert(
    fc.asyncProperty(damage, async (altered) => {
      await writeFile(damaged, altered);
      await assert.rejects(restore(cell, damaged), (error) => {
        assert.ok(error instanceof Refusal, String(error));
        assert.match(
          error.code,
          /^(not_a_backup|backup_cut_off|backup_altered|backup_of_another_cell|backup_of_later_release|wrong_key_file)$/,
        );
        return true;
      });
      assert.deepEqual(await databasesOf(cell), [databaseName(cell.name)]);
    }),
    { numRuns: 300 },
  );
  assert.deepEqual(await storedRows(cell, SCHEMAS), before);
});

test('frames of two backups of one cell cannot be mixed', async (t) => {
  const cell = await testCell(t);
  const one = await readFile((await backUp(cell)).path);
  const two = await readFile((await backUp(cell)).path);
  const headerEnd = (bytes: Buffer) =>
    'relevo backup 1\n'.length + 4 + bytes.readUInt32BE('relevo backup 1\n'.length);
  const mixed = await cell.keep(
    Buffer.concat([one.subarray(0, headerEnd(one)), two.subarray(headerEnd(two))]),
  );
  await assertRefused(restore(cell, mixed, { drill: true }), 'backup_altered');
});

test('keys that were rotated since the backup do no harm: the older ones are still in the cell file', async (t) => {
  const { cell } = await livelyCell(t, LIVELY);
  const { path } = await backUp(cell);
  const opened = await openCell(server, cell.opened.home, cell.name);
  await rotateKeys(opened);
  await opened.close();
  const rotated = await backUp(cell);
  assert.equal((await restore(cell, rotated.path, { drill: true })).outcome, 'drilled');
  await leave(cell);
  assert.equal((await restore(cell, path)).outcome, 'restored');
  const file = (await readCellFile(cell.opened.home, cell.name))!;
  assert.equal(file.keks.length, 2);
  // A file that lost the older key, and one that has only a stranger's.
  await writeCellFile(cell.opened.home, { ...file, keks: file.keks.slice(1) });
  await assertRefused(restore(cell, path, { drill: true }), 'wrong_key_file');
  await writeCellFile(cell.opened.home, { ...file, keks: [newKek(1, new Date())] });
  await assertRefused(restore(cell, rotated.path, { drill: true }), 'wrong_key_file');
  await writeCellFile(cell.opened.home, file);
});

test('books that did not close when the backup was made are not put in the place of the cell, but when that is wanted', async (t) => {
  const { cell } = await livelyCell(t, LIVELY);
  await cell.admin
    .run`update ledger.accounts set posted_minor = posted_minor + 1 where external_account_id is not null`;
  await cell.admin
    .run`update cards.cards set pan_sealed = set_byte(pan_sealed, 20, get_byte(pan_sealed, 20) # 1)`;
  const { path } = await backUp(cell);
  await leave(cell);
  const unsound = await restore(cell, path);
  assert.equal(unsound.outcome, 'unsound');
  const wrong = unsound.checks.filter(({ problems }) => problems.length > 0).map(({ check }) => check);
  assert.deepEqual(wrong, [
    'the accounts of each currency sum to zero',
    'a posted balance is the sum of its transfers',
    'card numbers open',
  ]);
  assert.equal((await restore(cell, path, { drill: true, acceptBrokenBooks: true })).outcome, 'unsound');
  assert.deepEqual(await actionsOf(cell), ['cell.backed_up', 'cell.restore_abandoned', 'cell.drill_begun']);
  await leave(cell);
  assert.equal((await restore(cell, path, { acceptBrokenBooks: true })).outcome, 'restored');
  const trail = await openAudit(cell.opened, 'operators');
  const [entry] = await trail.readEntries({ order: 'newest_first', beyond: null, limit: 1, action: null });
  assert.equal((JSON.parse(entry.details) as { checks_broken: number }).checks_broken, 3);
});

test('a row that is lost, doubled or changed is seen when tables are compared with the manifest', async (t) => {
  const { cell } = await livelyCell(t, LIVELY);
  const { manifest } = await backUp(cell);
  const compare = async () => {
    const checks = await withOwner(cell.adminUrl, 'relevo test', (client) =>
      checkRows(client, manifest, noProgress),
    );
    return checks.filter(({ problems }) => problems.length > 0).map(({ check }) => check);
  };
  assert.deepEqual(
    await compare(),
    ['rows of audit.entries'],
    'the backup was told to the trail after the snapshot',
  );
  await cell.admin.run`update cards.cards set status = 'lost' where external_card_id like '%-c3'`;
  await cell.admin.run`delete from cards.tokens`;
  await cell.admin.run`insert into ledger.imports (import_number, state) values (77, 'open')`;
  assert.deepEqual(await compare(), [
    'rows of audit.entries',
    'rows of cards.cards',
    'rows of cards.tokens',
    'rows of ledger.imports',
  ]);
});

test('a backup writes over nothing, leaves out nothing, and is on the trail', async (t) => {
  const cell = await testCell(t);
  const { path, header, bytes } = await backUp(cell);
  const wanted = { path, operator: OPERATOR };
  await assertRefused(writeBackup(server, cell.opened.home, cell.name, wanted), 'file_exists');
  const trail = await openAudit(cell.opened, 'operators');
  const [entry] = await trail.readEntries({ order: 'newest_first', beyond: null, limit: 1, action: null });
  assert.deepEqual([entry.actor, entry.action], [OPERATOR, 'cell.backed_up']);
  const details = JSON.parse(entry.details) as Record<string, unknown>;
  assert.deepEqual([details['backup'], details['megabytes']], [header.id, Math.ceil(bytes / 1e6)]);
  // A name that looks like a card number is no reason to lose a backup, and stays out of the trail.
  await writeBackup(server, cell.opened.home, cell.name, {
    path: join(cell.folder, '4111111111111111'),
    operator: OPERATOR,
  });
  await cell.admin.run`create table public.notes (note text)`;
  await assertRefused(backUp(cell), 'tables_of_no_service', /public\.notes/);
  await cell.admin.run`drop table public.notes`;
});

test('a cell whose database is gone is restored with its roles', async (t) => {
  const { cell } = await livelyCell(t, LIVELY);
  const before = await storedRows(cell, SCHEMAS);
  const { path } = await backUp(cell);
  await assert.rejects(stat(`${path}.unfinished`));
  await leave(cell);
  await admin.query(`drop database "${databaseName(cell.name)}" with (force)`);
  await assertRefused(restore(cell, path, { drill: true }), 'cell_not_here');
  const restored = await restore(cell, path);
  assert.deepEqual([restored.outcome, restored.trailHeadBefore], ['restored', null]);
  const now = await storedRows(cell, SCHEMAS);
  assert.deepEqual({ ...now, 'audit.entries': before['audit.entries'] }, before);
});

test('a database that somebody has renamed by hand is not thrown away', async (t) => {
  const cell = await testCell(t);
  const { path } = await backUp(cell);
  await leave(cell);
  const { former } = besideNames(cell.name);
  await admin.query(`alter database "${databaseName(cell.name)}" rename to "${former}"`);
  await assertRefused(restore(cell, path), 'cell_not_here', /_former/);
  await admin.query(`alter database "${former}" rename to "${databaseName(cell.name)}"`);
});
