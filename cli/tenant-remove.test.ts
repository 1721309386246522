import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { CELL_ROLES } from '#delivery/cells/cell-roles.ts';
import { REMOVAL_CRASH_POINTS } from '#runtime/crash-point.ts';
import { newUser } from '#tools/testing/cli.ts';
import { curveKey, fingerprintOf } from '#tools/testing/keys.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';

/** The removal of a tenant as an operator runs it, killed at every place where that could matter. */
const { server } = await testServer();
const user = await newUser();
const { tenant, home } = user;
atEnd(() => removeTenant(server, home, tenant, join(home, 'nothing')));
const archive = join(home, 'archive.asc');
const key = await curveKey('Archive');
await writeFile(archive, key.toPublic().armor());

interface Removed {
  readonly certificate: string;
  readonly finished_earlier_run: boolean;
  readonly destroyed: {
    readonly id: string;
    readonly cells: {
      cell: string;
      database: { tables: { table: string; rows: number }[] } | null;
      keks: unknown[];
    }[];
    readonly exports: { file: string; sealedTo: string[] }[];
  };
}
type Refused = { error: { code: string } };

async function leftOnServer(): Promise<number> {
  const client = new pg.Client({ connectionString: server.adminUrl });
  await client.connect();
  const { rows } = await client.query<{ left: number }>(
    `select (select count(*) from pg_database where starts_with(datname, $1))::int +
            (select count(*) from pg_roles where starts_with(rolname, $1))::int as left`,
    [`relevo_${tenant}_`],
  );
  await client.end();
  return rows[0].left;
}

/** Three databases, each with its roles. */
const ALL = 3 * (1 + CELL_ROLES.length);

const remove = (more = '') => `tenant remove ${tenant} --export-key ${archive} ${more}`.trim();

test('a removal asks, and where nobody can be asked it wants --yes', async () => {
  await user.json(`tenant add ${tenant}`);
  assert.equal((await user.json<Refused>(remove(), 2)).error.code, 'not_confirmed');
  assert.equal((await user.json<Refused>('tenant remove nobody-here --yes', 2)).error.code, 'unknown_tenant');
  assert.equal((await user.json<Refused>(remove('--without-export --yes'), 2)).error.code, 'bad_usage');
  assert.equal(await leftOnServer(), ALL);
});

test('a removal that is killed anywhere is finished by running it again, and the certificate tells everything', async () => {
  for (const point of REMOVAL_CRASH_POINTS) {
    const killed = await user.relevo(remove('--yes'), { RELEVO_CRASH_AT: point });
    assert.equal(killed.status, null, `${point}: ${killed.stdout}${killed.stderr}`);
    if (point === 'removal:exported') {
      // Given up here, the tenant is brought back into service.
      assert.equal((await user.relevo(`audit head --cell ${tenant}/demo`)).status, 1);
      await user.json(`tenant add ${tenant}`);
      await user.json(`audit head --cell ${tenant}/demo`);
    }
  }
  const removed = await user.json<Removed>(remove('--yes'));
  assert.equal(removed.finished_earlier_run, true);
  assert.equal(await leftOnServer(), 0);
  assert.deepEqual(await readdir(join(home, 'cells')), []);
  const { cells, exports } = removed.destroyed;
  assert.equal(cells.length, 3);
  for (const { database, keks } of cells) {
    assert.ok(database!.tables.find(({ table }) => table === 'cell.data_keys')!.rows >= 8);
    assert.equal(keks.length, 1);
  }
  assert.ok(exports.length === 3 && exports.every(({ sealedTo }) => sealedTo[0] === fingerprintOf(key)));
  const verified = await user.json<{ verified: boolean; exports: { state: string }[] }>(
    `tenant certificate verify ${removed.certificate}`,
  );
  assert.ok(verified.verified && verified.exports.every(({ state }) => state === 'intact'));
  const { stdout } = await user.relevo(`tenant certificate verify ${removed.certificate}`);
  assert.match(stdout, /The certificate is genuine/);
});

test('a tenant of the same name that was added behind a killed removal is not destroyed in its place', async () => {
  await user.json(`tenant add ${tenant}`);
  const killed = await user.relevo(remove('--yes'), { RELEVO_CRASH_AT: 'removal:keys-set-aside' });
  assert.equal(killed.status, null);
  await user.json(`tenant add ${tenant}`);
  const removed = await user.json<Removed>(remove('--yes'));
  assert.equal(removed.finished_earlier_run, true);
  assert.equal(await leftOnServer(), ALL, 'the new one is as it was');
  const { intact } = await user.json<{ intact: boolean }>(`audit verify --cell ${tenant}/production`);
  assert.equal(intact, true);
  const again = await user.json<Removed>(remove('--yes'));
  assert.notEqual(again.destroyed.id, removed.destroyed.id);
  assert.equal(await leftOnServer(), 0);
  const files = await readdir(join(home, 'removed'), { recursive: true });
  assert.deepEqual(
    files.filter((file) => /removal\.json|\.new|keys/.test(file)),
    [],
  );
  for (const file of files.filter((each) => each.endsWith('certificate.json')))
    assert.ok((await readFile(join(home, 'removed', file), 'utf8')).includes(tenant));
});
