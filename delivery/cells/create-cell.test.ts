import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import pg from 'pg';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { type AddedCell, addTenant } from '#delivery/local/add-tenant.ts';
import { Refusal } from '#runtime/refusal.ts';
import { makeHome, removeHome } from '#tools/testing/shared-home.ts';
import { testServer } from '#tools/testing/server.ts';
import { type CellFile, readCellFile, writeCellFile } from './cell-file.ts';
import { databaseName, roleName } from './cell-name.ts';
import { openAudit } from './open-audit.ts';
import { openCell } from './open-cell.ts';

test('a cell of an earlier release gets the roles, schemas and data keys that it did not have, and keeps all else', async (t) => {
  const { server } = await testServer();
  const home = await makeHome();
  const tenant = `e${randomBytes(5).toString('hex')}`;
  const name = { tenant, environment: 'production' } as const;
  t.after(async () => {
    await removeTenant(server, home, tenant, `${home}/nothing`);
    await removeHome(home);
  });
  const made = await addTenant(server, home, tenant, 'ana.quispe');
  const file = (await readCellFile(home, name))!;

  const older = withoutRole(file, 'audit');
  await writeCellFile(home, older);
  const admin = new URL(server.adminUrl);
  admin.pathname = `/${databaseName(name)}`;
  const client = new pg.Client({ connectionString: admin.href });
  await client.connect();
  await client.query(`
    drop schema audit cascade;
    delete from cell.schema_changes where schema = 'audit';
    delete from cell.data_keys where purpose = 'audit';
    drop owned by "${roleName(name, 'audit')}";
    drop role "${roleName(name, 'audit')}"`);
  await client.end();
  const opened = await openCell(server, home, name);
  assert.throws(
    () => opened.connect('audit', 1),
    (error) =>
      error instanceof Refusal && error.code === 'schema_mismatch' && /tenant add/.test(error.advice!),
  );
  await opened.close();

  const again = await addTenant(server, home, tenant, 'luis.rojas');
  assert.deepEqual(again.map(keyOf), made.map(keyOf));
  assert.deepEqual(stepsOf(made[2]), [
    'secrets',
    'roles',
    'database',
    'schemas and rights',
    'data keys',
    'audit trail',
    'OpenPGP key',
  ]);
  assert.deepEqual(stepsOf(again[2]), ['secrets', 'roles', 'schemas and rights', 'data keys', 'audit trail']);
  assert.deepEqual(stepsOf(again[0]), ['audit trail']);
  assert.deepEqual(
    again.map(({ outcome }) => outcome),
    ['unchanged', 'unchanged', 'upgraded'],
  );
  assert.ok(made.every(({ steps }) => steps.every(({ ms }) => ms >= 0)));
  const upgraded = (await readCellFile(home, name))!;
  assert.deepEqual(withoutRole(upgraded, 'audit'), older);
  const cell = await openCell(server, home, name);
  try {
    const trail = await openAudit(cell, 'operators');
    const entries = await trail.readEntries({ order: 'oldest_first', beyond: null, limit: 9, action: null });
    assert.deepEqual(
      entries.map(({ actor, action, subject }) => [actor, action, subject]),
      [['luis.rojas', 'cell.upgraded', `${tenant}/production`]],
    );
    assert.equal((await trail.verifyTrail({ anchors: [] })).breaksTotal, 0);
  } finally {
    await cell.close();
  }
});

const keyOf = ({ cell, fingerprint }: AddedCell) => ({ cell, fingerprint });
const stepsOf = ({ steps }: AddedCell) => steps.map(({ step }) => step);

function withoutRole(file: CellFile, role: string): CellFile {
  const { [role]: _, ...passwords } = file.passwords;
  return { ...file, passwords };
}
