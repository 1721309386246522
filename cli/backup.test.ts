import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readKey } from 'openpgp';
import pg from 'pg';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { BACKUP_CRASH_POINTS, RESTORE_CRASH_POINTS } from '#runtime/crash-point.ts';
import { newUser } from '#tools/testing/cli.ts';
import { curveKey, fingerprintOf } from '#tools/testing/keys.ts';
import { openSealed } from '#tools/testing/open-sealed.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';
import { drawn } from '#tools/testing/seed.ts';

/** Backups and restores as an operator runs them, killed at every place where that could matter. */
const { server } = await testServer();
const user = await newUser();
const cell = `${user.tenant}/production`;
const database = `relevo_${user.tenant}_production`;
atEnd(() => removeTenant(server, user.home, user.tenant, join(user.home, 'nothing')));
await user.json(`tenant add ${user.tenant}`);
await user.json(`portfolio sample ${user.home}/sample.gpg --cell ${cell} --cards 300`);
await user.json(`migrate start ${user.home}/sample.gpg --cell ${cell} --wait`);

const url = new URL(server.adminUrl);
url.pathname = `/${database}`;

async function ask<Row extends pg.QueryResultRow>(connectionString: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** What tells the cell after the backup from the cell before it. */
const isBefore = async () =>
  (await ask(url.href, `select from cards.cards where external_card_id = 'after the backup'`)).length === 0;
const changeCell = () =>
  ask(
    url.href,
    `update cards.cards set external_card_id = 'after the backup' where card_id = (select min(card_id::text)::uuid from cards.cards)`,
  );
const besides = async () =>
  (
    await ask<{ datname: string }>(
      server.adminUrl,
      `select datname from pg_database where starts_with(datname, '${database}_') order by 1`,
    )
  ).map(({ datname }) => datname.slice(database.length));

interface Backup {
  readonly backup: string;
  readonly file: string;
  readonly rows: number;
  readonly steps: { step: string; ms: number }[];
}
interface Restored {
  readonly outcome: string;
  readonly rows: number;
  readonly checks: { check: string; ok: boolean }[];
}

const backup = await user.json<Backup>(`backup --cell ${cell}`);

test('a backup goes to the home unless it is told where, and says what it took', async () => {
  assert.match(
    backup.file,
    new RegExp(`^${user.home}/backups/${user.tenant}-production-\\d{8}T\\d{6}Z.relevo-backup$`),
  );
  assert.ok(backup.rows > 900);
  assert.deepEqual(
    backup.steps.map(({ step }) => step),
    ['write', 'read back', 'audit trail'],
  );
  const again = await user.json<{ error: { code: string } }>(`backup --cell ${cell} --to ${backup.file}`, 2);
  assert.equal(again.error.code, 'file_exists');
  const { stdout } = await user.relevo(`backup --cell ${cell} --to ${user.home}/shown`);
  assert.match(stdout, /is backed up: .* rows of \d+ tables/);
  assert.match(stdout, /Without the cell file it is worthless/);
});

test('a backup that is killed leaves nothing that bears its name', async () => {
  for (const point of BACKUP_CRASH_POINTS) {
    const path = join(user.home, `killed-${point.replace(':', '-')}`);
    const killed = await user.relevo(`backup --cell ${cell} --to ${path}`, { RELEVO_CRASH_AT: point });
    assert.equal(killed.status, null, killed.stdout);
    const refused = await user.json<{ error: { code: string } }>(`restore ${path} --cell ${cell}`, 2);
    assert.equal(refused.error.code, 'no_such_file', point);
  }
});

test('a restore that is killed anywhere leaves the cell as it was, or restored; run again, it comes to its end', async () => {
  for (const point of drawn(RESTORE_CRASH_POINTS, 3)) {
    await changeCell();
    const killed = await user.relevo(`restore ${backup.file} --cell ${cell}`, { RELEVO_CRASH_AT: point });
    assert.equal(killed.status, null, `${point}: ${killed.stdout}${killed.stderr}`);
    const isSwapped = ['restore:swapped', 'restore:former-dropped'].includes(point);
    assert.equal(await isBefore(), isSwapped, point);
    const verified = await user.json<{ intact: boolean }>(`audit verify --cell ${cell}`);
    assert.equal(verified.intact, true, point);

    const again = await user.json<Restored>(`restore ${backup.file} --cell ${cell}`);
    assert.equal(again.outcome, point === 'restore:swapped' ? 'finished' : 'restored', point);
    assert.equal(again.rows, backup.rows);
    assert.ok(again.checks.every(({ ok }) => ok));
    assert.equal(await isBefore(), true, point);
    assert.deepEqual(await besides(), [], point);
  }
});

test('a drill shows what was checked and touches nothing', async () => {
  await changeCell();
  const { status, stdout } = await user.relevo(`restore ${backup.file} --cell ${cell} --drill`);
  assert.equal(status, 0);
  assert.match(stdout, /can be restored/);
  assert.match(stdout, /the accounts of each currency sum to zero +\d+ currenc\w+ +right/);
  assert.match(stdout, /the audit trail is whole/);
  assert.equal(await isBefore(), false);
  assert.deepEqual(await besides(), []);
});

test('books that do not close end with 1, and the cell is as it was', async () => {
  await ask(url.href, 'update ledger.accounts set held_minor = held_minor + 1');
  const { file } = await user.json<Backup>(`backup --cell ${cell} --to ${user.home}/broken`);
  const { status, stdout } = await user.relevo(`restore ${file} --cell ${cell}`);
  assert.equal(status, 1);
  assert.match(stdout, /do not close/);
  assert.match(stdout, /a held balance is the sum of its open holds .* wrong/);
  await user.json(`restore ${backup.file} --cell ${cell}`);
});

test('the cell file is copied for an operator who alone can read it', async () => {
  const key = await curveKey('Ana Quispe');
  await writeFile(join(user.home, 'ana.asc'), key.toPublic().armor());
  const written = await user.json<{ keys_copy: { file: string; sealed_to: string } }>(
    `backup --cell ${cell} --to ${user.home}/with-keys --keys-for ${user.home}/ana.asc`,
  );
  const { stdout } = await user.relevo(`keys export --cell ${cell}`);
  const plain = await openSealed(written.keys_copy.file, {
    tenant: key,
    cell: [await readKey({ armoredKey: stdout })],
  });
  const original = await readFile(join(user.home, 'cells', user.tenant, 'production.json'), 'utf8');
  assert.deepEqual(JSON.parse(plain.toString()), JSON.parse(original));
  const foreign = await user.json<{ error: { code: string } }>(
    `backup --cell ${cell} --keys-for ${user.home}/sample.gpg`,
    2,
  );
  assert.equal(foreign.error.code, 'not_a_key');
  assert.equal(written.keys_copy.sealed_to, fingerprintOf(key));
});
