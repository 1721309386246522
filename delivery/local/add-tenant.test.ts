import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import pg from 'pg';
import { ONBOARDING_CRASH_POINTS } from '#runtime/crash-point.ts';
import type { Server } from '#runtime/postgres/server.ts';
import { newUser, type User } from '#tools/testing/cli.ts';
import { drawn } from '#tools/testing/seed.ts';
import { atEnd, testServer } from '#tools/testing/server.ts';
import { makeHome, removeHome } from '#tools/testing/shared-home.ts';
import { readCellFile } from '../cells/cell-file.ts';
import { databaseName, type Environment, ENVIRONMENTS, roleName } from '../cells/cell-name.ts';
import { isAsDeclared, readCellState } from '../cells/cell-state.ts';
import { openAudit } from '../cells/open-audit.ts';
import { openCell } from '../cells/open-cell.ts';
import { hostOf, readPlatform } from '../cells/read-platform.ts';
import { readTenantFile, tenantFilePath } from '../cells/tenant-file.ts';
import { addTenant } from './add-tenant.ts';
import { removeTenant } from './remove-tenant.ts';

const { server } = await testServer();
const admin = new pg.Client({ connectionString: server.adminUrl });
await admin.connect();
atEnd(() => admin.end());

const newTenant = () => `a${randomBytes(5).toString('hex')}`;

async function newHome(t: TestContext, ...tenants: string[]): Promise<string> {
  const home = await makeHome();
  t.after(async () => {
    for (const tenant of tenants) await removeTenant(server, home, tenant, join(home, 'nothing'));
    await removeHome(home);
  });
  return home;
}

/** Databases and roles of a tenant on the server. */
async function onServer(tenant: string): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `select datname as name from pg_database where starts_with(datname, $1)
      union all select rolname from pg_roles where starts_with(rolname, $1) order by 1`,
    [`relevo_${tenant}_`],
  );
  return rows.map(({ name }) => name);
}

async function assertInService(
  home: string,
  tenant: string,
  environments: readonly Environment[] = ENVIRONMENTS,
): Promise<void> {
  for (const environment of environments) {
    const state = await readCellState(admin, server.adminUrl, home, { tenant, environment });
    assert.ok(isAsDeclared(state), JSON.stringify({ environment, state }));
  }
  const known = (await readPlatform(home)).find((each) => each.tenant === tenant)!;
  assert.deepEqual(Object.keys(known.environments), environments);
  assert.equal((await readTenantFile(home, tenant))!.making, undefined);
}

const refusedWith =
  (code: string, says = /./) =>
  (error: Error & { code?: string }) =>
    error.code === code && says.test(error.message);

test('a tenant gets three cells below its domain; the same again changes nothing', async (t) => {
  const tenant = newTenant();
  const home = await newHome(t, tenant);
  const wanted = { kind: 'lender', domain: `${tenant}.example` } as const;
  const made = await addTenant(server, home, tenant, 'ana.quispe', wanted);
  assert.deepEqual(
    made.map(({ cell, host, outcome }) => [cell, host, outcome]),
    ENVIRONMENTS.map((each) => [`${tenant}/${each}`, `${each}.${tenant}.example`, 'made']),
  );
  await assertInService(home, tenant);
  assert.equal(await hostOf(home, { tenant, environment: 'staging' }), `staging.${tenant}.example`);
  const [file, cellFile] = [
    await readTenantFile(home, tenant),
    await readCellFile(home, { tenant, environment: 'demo' }),
  ];
  for (const again of [wanted, {}]) {
    const same = await addTenant(server, home, tenant, 'ana.quispe', again);
    assert.ok(same.every(({ outcome }) => outcome === 'unchanged'));
  }
  assert.deepEqual(await readTenantFile(home, tenant), file);
  assert.deepEqual(await readCellFile(home, { tenant, environment: 'demo' }), cellFile);
  for (const other of [{ kind: 'issuer' }, { domain: 'other.example' }] as const)
    await assert.rejects(addTenant(server, home, tenant, 'ana.quispe', other), refusedWith('tenant_differs'));
  const cell = await openCell(server, home, { tenant, environment: 'demo' });
  try {
    const entries = await (
      await openAudit(cell, 'operators')
    ).readEntries({ order: 'oldest_first', beyond: null, limit: 9, action: null });
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['cell.made'],
    );
  } finally {
    await cell.close();
  }
});

test('a tenant may have some environments now and others later', async (t) => {
  const tenant = newTenant();
  const home = await newHome(t, tenant);
  await addTenant(server, home, tenant, 'ana', { environments: ['demo'] });
  await assertInService(home, tenant, ['demo']);
  const more = await addTenant(server, home, tenant, 'ana', { environments: ['demo', 'production'] });
  assert.deepEqual(
    more.map(({ outcome }) => outcome),
    ['unchanged', 'made'],
  );
  await assertInService(home, tenant, ['demo', 'production']);
});

test('names that another tenant has are refused before anything is made', async (t) => {
  const [first, second] = [newTenant(), newTenant()];
  const home = await newHome(t, first);
  await addTenant(server, home, first, 'ana', { domain: `${first}.example`, environments: ['demo'] });
  for (const domain of [`${first}.example`, `inner.${first}.example`, `demo.${first}.example`])
    await assert.rejects(
      addTenant(server, home, second, 'ana', { domain }),
      refusedWith('domain_taken', new RegExp(first)),
    );
  await assert.rejects(
    addTenant(server, home, second, 'ana', { domain: 'example' }),
    refusedWith('bad_domain'),
  );
  assert.deepEqual(await onServer(second), []);
  assert.deepEqual(await readdir(join(home, 'cells')), [first]);
});

test('a tenant of an earlier release gets a file with what holds by default', async (t) => {
  const tenant = newTenant();
  const home = await newHome(t, tenant);
  await addTenant(server, home, tenant);
  await rm(tenantFilePath(home, tenant));
  assert.equal((await readPlatform(home))[0].domain, `${tenant}.localhost`);
  assert.equal(await hostOf(home, { tenant, environment: 'demo' }), `demo.${tenant}.localhost`);
  const again = await addTenant(server, home, tenant);
  assert.ok(again.every(({ outcome }) => outcome === 'unchanged'));
  assert.equal((await readTenantFile(home, tenant))!.kind, 'issuer');
});

test('a password that is not the one in the cell file is put right', async (t) => {
  const tenant = newTenant();
  const home = await newHome(t, tenant);
  await addTenant(server, home, tenant, 'ana', { environments: ['demo'] });
  const name = { tenant, environment: 'demo' } as const;
  await admin.query(`alter role "${roleName(name, 'ledger')}" password 'another'`);
  const [mended] = await addTenant(server, home, tenant);
  assert.equal(mended.outcome, 'upgraded');
  const cell = await openCell(server, home, name);
  await cell.connect('ledger', 1).rows`select 1`;
  await cell.close();
});

test('wherever a run is killed, the next one finishes', async (t) => {
  const user = await newUser();
  const home = user.home;
  for (const place of drawn(ONBOARDING_CRASH_POINTS, 4)) {
    const tenant = newTenant();
    t.after(() => removeTenant(server, home, tenant, join(home, 'nothing')));
    const words = `tenant add ${tenant} --domain ${tenant}.example --environments demo`;
    const killed = await user.relevo(words, { RELEVO_CRASH_AT: place });
    assert.equal(killed.status, null, `${place}: ${killed.stderr}`);
    const shown = (await readPlatform(home)).find((each) => each.tenant === tenant);
    if (place !== 'tenant:in-service')
      assert.deepEqual(Object.keys(shown!.environments), [], `${place}: not in service yet`);
    const { cells } = await user.json<{ cells: { host: string }[] }>(`tenant add ${tenant}`);
    assert.deepEqual(
      cells.map(({ host }) => host),
      [`demo.${tenant}.example`],
    );
    await assertInService(home, tenant, ['demo']);
  }
});

/** A role that may do less than it must, as somebody's own server might give one. */
async function lesserServer(t: TestContext, may: string): Promise<Server> {
  const role = `lesser_${randomBytes(4).toString('hex')}`;
  await admin.query(`create role ${role} login password 'lesser' ${may}`);
  t.after(async () => {
    await admin.query(`drop owned by ${role}; drop role ${role}`);
  });
  const url = new URL(server.adminUrl);
  url.username = role;
  url.password = 'lesser';
  return { ...server, adminUrl: url.href };
}

/** Each makes another step fail, the earlier ones having been done. */
const FAILURES: Record<string, (t: TestContext, home: string, tenant: string) => Promise<Server>> = {
  roles: (t) => lesserServer(t, 'createdb'),
  database: (t) => lesserServer(t, 'createrole'),
  'schemas and rights': (t) => lesserServer(t, 'createrole createdb'),
  'audit trail': async () => ({
    ...server,
    urlFor: (database, user) => server.urlFor(database, user, 'not the password'),
  }),
};

for (const [step, failing] of Object.entries(FAILURES))
  test(`when "${step}" fails, all that the run made is taken back, and nothing else`, async (t) => {
    const [tenant, other] = [newTenant(), newTenant()];
    const home = await newHome(t, tenant, other);
    await addTenant(server, home, other, 'ana', { environments: ['demo'] });
    const [files, things] = [await readdir(home, { recursive: true }), await onServer(other)];
    await assert.rejects(
      addTenant(await failing(t, home, tenant), home, tenant),
      refusedWith('tenant_not_added', /taken back/),
    );
    assert.deepEqual(await onServer(tenant), []);
    assert.deepEqual(await onServer(other), things);
    const lock = (path: string) => !path.startsWith('platform-lock');
    assert.deepEqual((await readdir(home, { recursive: true })).filter(lock), files.filter(lock));
    await addTenant(server, home, tenant, 'ana', { environments: ['demo'] });
    await assertInService(home, tenant, ['demo']);
  });

test('when a later environment fails, a cell that was here before stays, with its terms', async (t) => {
  const tenant = newTenant();
  const home = await newHome(t, tenant);
  await addTenant(server, home, tenant, 'ana', { environments: ['demo'] });
  const file = await readTenantFile(home, tenant);
  await assert.rejects(
    addTenant(await lesserServer(t, 'createrole'), home, tenant, 'ana', { environments: ['staging'] }),
    refusedWith('tenant_not_added'),
  );
  assert.deepEqual(await readTenantFile(home, tenant), file);
  await assertInService(home, tenant, ['demo']);
  assert.equal((await onServer(tenant)).filter((name) => name.includes('_staging')).length, 0);
});

test('a file where a folder should be is told, and nothing is made', async (t) => {
  const tenant = newTenant();
  const home = await newHome(t);
  await mkdir(join(home, 'cells'));
  await writeFile(join(home, 'cells', tenant), '');
  await assert.rejects(addTenant(server, home, tenant), { code: 'ENOTDIR' }); // told as file_error, with its path
  assert.deepEqual(await onServer(tenant), []);
  assert.ok(existsSync(join(home, 'cells', tenant)));
});

test('of two runs at once for one tenant the second finds it made', async (t) => {
  const user = await newUser();
  const tenant = newTenant();
  t.after(() => removeTenant(server, user.home, tenant, join(user.home, 'nothing')));
  const outcomes = await Promise.all(
    ['ana', 'luis'].map((operator) =>
      user.json<{ cells: { outcome: string }[] }>(`tenant add ${tenant}`, 0, { RELEVO_OPERATOR: operator }),
    ),
  );
  assert.deepEqual(outcomes.map(({ cells }) => [...new Set(cells.map(({ outcome }) => outcome))]).sort(), [
    ['made'],
    ['unchanged'],
  ]);
  await assertInService(user.home, tenant);
});

test('of two tenants that want one domain at once one gets it', async (t) => {
  const user = await newUser();
  const tenants = [newTenant(), newTenant()];
  t.after(async () => {
    for (const tenant of tenants) await removeTenant(server, user.home, tenant, join(user.home, 'nothing'));
  });
  const domain = `${tenants[0]}.example`;
  const ended = await Promise.all(
    tenants.map((tenant) =>
      user.relevo(`tenant add ${tenant} --domain ${domain} --environments demo --json`),
    ),
  );
  assert.deepEqual(ended.map(({ status }) => status).sort(), [0, 2]);
  const loser = ended.findIndex(({ status }) => status === 2);
  assert.match(ended[loser].stdout, /domain_taken/);
  assert.deepEqual(await onServer(tenants[loser]), []);
});

test('of two homes that add one tenant to one server at once one gets it', async (t) => {
  const users: User[] = [await newUser(), await newUser()];
  const tenant = newTenant();
  t.after(() => removeTenant(server, users[0].home, tenant, join(users[0].home, 'nothing')));
  const ended = await Promise.all(
    users.map((user) => user.relevo(`tenant add ${tenant} --environments demo --json`)),
  );
  assert.deepEqual(ended.map(({ status }) => status).sort(), [0, 2]);
  const [winner, loser] = ended[0].status === 0 ? users : users.toReversed();
  assert.match(ended.find(({ status }) => status === 2)!.stdout, /cell_file_missing/);
  assert.deepEqual(await readPlatform(loser.home), []);
  await assertInService(winner.home, tenant, ['demo']);
});

test('no role of a cell, and nobody else, can enter the template of the schemas', async (t) => {
  const tenant = newTenant();
  const home = await newHome(t, tenant);
  await addTenant(server, home, tenant, 'ana', { environments: ['demo'] });
  const name = { tenant, environment: 'demo' } as const;
  const { rows } = await admin.query<{ name: string }>(
    `select datname as name from pg_database where starts_with(datname, 'relevo_schema_')`,
  );
  assert.equal(rows.length, 1);
  const file = (await readCellFile(home, name))!;
  const asRole = server.urlFor(rows[0].name, roleName(name, 'keys'), file.passwords['keys']);
  const asAdmin = new URL(server.adminUrl);
  asAdmin.pathname = `/${rows[0].name}`;
  for (const url of [asRole, asAdmin.href]) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await assert.rejects(client.connect(), { code: '55000' });
  }
  assert.notEqual(rows[0].name, databaseName(name));
});
