import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import pg from 'pg';
import { Refusal } from '#runtime/refusal.ts';
import { makeHome, removeHome } from '#tools/testing/shared-home.ts';
import { testServer } from '#tools/testing/server.ts';
import { readCellFile, writeCellFile } from '../cells/cell-file.ts';
import { databaseName, roleName } from '../cells/cell-name.ts';
import { openCell } from '../cells/open-cell.ts';
import { addTenant } from './add-tenant.ts';
import { openAccess } from './enter-access.ts';
import { removeTenant } from './remove-tenant.ts';

test('a cell that was made before there were clients gets what they need from tenant add', async (t) => {
  const { server } = await testServer();
  const home = await makeHome();
  const tenant = `c${randomBytes(5).toString('hex')}`;
  const name = { tenant, environment: 'staging' } as const;
  t.after(async () => {
    await removeTenant(server, home, tenant, `${home}/nothing`);
    await removeHome(home);
  });
  await addTenant(server, home, tenant);
  const { tokenKeys: _, clientSecretKey: __, passwords, ...rest } = (await readCellFile(home, name))!;
  const { access: ___, ...others } = passwords;
  await writeCellFile(home, { ...rest, passwords: others });
  const url = new URL(server.adminUrl);
  url.pathname = `/${databaseName(name)}`;
  const admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
  await admin.query(`
    drop schema access cascade;
    delete from cell.schema_changes where schema = 'access';
    drop owned by "${roleName(name, 'access')}";
    drop role "${roleName(name, 'access')}"`);
  await admin.end();

  const add = async () => {
    const cell = await openCell(server, home, name);
    try {
      const clients = openAccess(cell, 'operators');
      return await clients.addClient({ actor: 'ana.quispe', name: 'Back office', scopes: ['cards:read'] });
    } finally {
      await cell.close();
    }
  };
  await assert.rejects(
    add(),
    (error) =>
      error instanceof Refusal && error.code === 'schema_mismatch' && /tenant add/.test(error.advice!),
  );
  await addTenant(server, home, tenant);
  assert.match((await add()).clientId, new RegExp(`^${tenant}-staging-`));
  const file = (await readCellFile(home, name))!;
  await addTenant(server, home, tenant);
  assert.deepEqual(await readCellFile(home, name), file, 'and once is enough');
});
