import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { databaseName } from '#delivery/cells/cell-name.ts';
import { onDatabase } from '#delivery/cells/on-database.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { newUser } from '#tools/testing/cli.ts';
import { curveKey, fingerprintOf } from '#tools/testing/keys.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';

/** What the administrative commands leave in the audit trail, and what verify makes of it. In the order of this file. */
const user = await newUser();
const { tenant, home } = user;
const { server } = await testServer();
const cellName = `${tenant}/staging`;
const login = userInfo().username;

interface Listed {
  entries: { seq: number; actor: string; action: string; subject: string; details: unknown }[];
}
interface Verified {
  intact: boolean;
  entries: number;
  head: string;
  breaks: { seq: number; kind: string; text: string }[];
}
const list = async (more = '') => (await user.json<Listed>(`audit list --cell ${cellName}${more}`)).entries;
const withoutTime = (entries: Listed['entries']) =>
  entries.map(({ seq, actor, action, subject, details }) => [seq, actor, action, subject, details]);
const verify = (status: number, more = '') =>
  user.json<Verified>(`audit verify --cell ${cellName}${more}`, status);

const asSuperuser = (statement: string) =>
  onDatabase(server.adminUrl, databaseName({ tenant, environment: 'staging' }), (client) =>
    client.query(statement),
  );

const head = async () => (await user.relevo(`audit head --cell ${cellName}`)).stdout.trim();

test('making a cell is the first entry, and is entered once', async () => {
  await user.json(`tenant add ${tenant}`);
  await user.json(`tenant add ${tenant}`, 0, { RELEVO_OPERATOR: 'luis.rojas' });
  assert.deepEqual(withoutTime(await list()), [[1, login, 'cell.made', cellName, {}]]);
});

test('keys and migrations leave who did what', async () => {
  const as = { RELEVO_OPERATOR: 'ana.quispe' };
  const key = await curveKey('Another tenant');
  const fingerprint = fingerprintOf(key);
  await writeFile(join(home, 'public.asc'), key.toPublic().armor());
  await user.json(`keys import ${join(home, 'public.asc')} --cell ${cellName} --as tenant`, 0, as);
  await user.json(`keys remove ${fingerprint.toLowerCase()} --cell ${cellName}`, 0, as);
  await user.json(`keys remove ${fingerprint} --cell ${cellName}`, 2, as);
  await user.json(`keys rotate --cell ${cellName}`, 0, as);
  const sample = join(home, 'sample.gpg');
  await user.json(`portfolio sample ${sample} --cell ${cellName} --cards 20`);
  const { migration } = await user.json<{ migration: string }>(
    `migrate start ${sample} --cell ${cellName} --wait`,
    0,
    as,
  );
  await user.json(`migrate start ${sample} --cell ${cellName} --wait`, 0, { RELEVO_OPERATOR: 'luis.rojas' });
  await user.json(`migrate start ${join(home, 'public.asc')} --cell ${cellName} --wait`, 2);
  const entries = withoutTime(await list()).slice(1);
  const [rotated, registered] = entries.slice(3);
  const { token_key } = rotated[4] as { token_key: string };
  assert.match(token_key, /^[\w-]{12}$/);
  assert.deepEqual(entries, [
    [2, 'ana.quispe', 'keys.imported', fingerprint, { as: 'tenant' }],
    [3, 'ana.quispe', 'keys.removed', fingerprint, {}],
    [4, 'ana.quispe', 'keys.rotation_begun', cellName, {}],
    [
      5,
      'ana.quispe',
      'keys.rotated',
      cellName,
      { kek_version: 2, key_version: 2, resealed: 0, token_key, token_keys_kept: 1 },
    ],
    [6, login, 'keys.imported', registered[3], { as: 'tenant', key_of: 'samples' }],
    [7, 'ana.quispe', 'migration.started', migration, { kind: 'full' }],
    [8, login, 'migration.refused', migration.replace(/\d+$/, '2'), { code: 'not_openpgp' }],
  ]);
});

test('the list can be cut to a number of entries, an action, or a group', async () => {
  const actions = async (more: string) => (await list(more)).map(({ action }) => action).join(' ');
  assert.equal(await actions(' --limit 2'), 'migration.started migration.refused');
  assert.equal(
    await actions(' --action keys'),
    'keys.imported keys.removed keys.rotation_begun keys.rotated keys.imported',
  );
  assert.equal(await actions(' --action keys.rotated --limit 1'), 'keys.rotated');
  assert.equal(await actions(' --action nothing'), '');
  const { stdout } = await user.relevo(`audit list --cell ${cellName}`);
  assert.match(stdout, /keys\.rotated +\S+ +kek_version 2, key_version 2, resealed 0/);
});

test('an operator whose name cannot be entered is refused before anything is done', async () => {
  const { error } = await user.json<{ error: { code: string } }>(`keys rotate --cell ${cellName}`, 2, {
    RELEVO_OPERATOR: '4509170000000009',
  });
  assert.equal(error.code, 'bad_operator');
  assert.equal((await list()).length, 8);
});

test('verify is 0 while nobody touched the trail, with its head as anchor', async () => {
  const anchor = await head();
  assert.match(anchor, /^8:[0-9a-f]{64}$/);
  const verified = await verify(0, ` --anchor ${anchor}`);
  assert.deepEqual([verified.intact, verified.entries, verified.head], [true, 8, anchor]);
  const { stdout, status } = await user.relevo(`audit verify --cell ${cellName}`);
  assert.equal(status, 0);
  assert.match(stdout, /intact: 8 entries/);
  assert.match(stdout, /Without --anchor nobody can tell/);
  for (const bad of ['6', `x:${'0'.repeat(64)}`, '6:12'])
    assert.equal((await user.relevo(`audit verify --cell ${cellName} --anchor ${bad}`)).status, 2);
});

test('verify is 1 and says where, when somebody cut the end off or changed an entry', async () => {
  const anchor = await head();
  await asSuperuser(`
    alter table audit.entries disable trigger append_only;
    delete from audit.entries where seq > 4`);
  assert.equal((await verify(0)).entries, 4);
  assert.deepEqual(
    (await verify(1, ` --anchor ${anchor}`)).breaks.map(({ seq, kind }) => [seq, kind]),
    [[5, 'truncated']],
  );
  await asSuperuser(`update audit.entries set actor = 'luis.rojas' where action = 'keys.removed'`);
  const { stdout, status } = await user.relevo(`audit verify --cell ${cellName}`);
  assert.equal(status, 1);
  assert.match(stdout, /broken, at 1 place:\n {2}entry 3 was altered/);
});

atEnd(() => removeTenant(server, home, tenant, join(home, 'nothing')));
