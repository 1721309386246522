import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { PrivateKey } from 'openpgp';
import { readKey } from 'openpgp';
import pg from 'pg';
import { kekFingerprint } from '#delivery/backup/backup-keys.ts';
import { backupPath, writeBackup } from '#delivery/backup/write-backup.ts';
import { restoreCell } from '#delivery/backup/restore-cell.ts';
import { keksOf, readCellFile } from '#delivery/cells/cell-file.ts';
import { storeKey } from '#delivery/cells/cell-keys.ts';
import { databaseName, ENVIRONMENTS } from '#delivery/cells/cell-name.ts';
import { CELL_ROLES } from '#delivery/cells/cell-roles.ts';
import { urlOfDatabase } from '#delivery/cells/on-database.ts';
import { openAudit } from '#delivery/cells/open-audit.ts';
import { openCell, openVault } from '#delivery/cells/open-cell.ts';
import { addTenant } from '#delivery/local/add-tenant.ts';
import { removeTenant } from '#delivery/local/remove-tenant.ts';
import { registerSampleKey, sampleKey } from '#delivery/local/sample-key.ts';
import { assertRefused } from '#tools/testing/assert-refused.ts';
import { testCell } from '#tools/testing/cell.ts';
import { curveKey, fingerprintOf } from '#tools/testing/keys.ts';
import { livelyCell } from '#tools/testing/lively-cell.ts';
import { migrate } from '#tools/testing/migrate.ts';
import { openSealed } from '#tools/testing/open-sealed.ts';
import { testServer } from '#tools/testing/server.ts';
import { makeHome, removeHome } from '#tools/testing/shared-home.ts';
import { verifyCertificate } from './certificate.ts';
import { exportCell } from './export-cell.ts';
import { platformKey, platformPublicKey } from './platform-key.ts';
import { noProgress } from '../backup/progress.ts';
import { withOwner } from '../backup/snapshot.ts';
import { tellOfRemoval } from './tell-of-removal.ts';
import { removeTenantForGood, type RemovalWanted } from './remove-tenant.ts';

const { server } = await testServer();
const home = await makeHome();
after(() => removeHome(home));
const admin = new pg.Client({ connectionString: server.adminUrl });
await admin.connect();
after(() => admin.end());
const tenantKey = await curveKey('Quipu');
const OPERATOR = 'ana.quispe';

/** A tenant whose own key its production cell knows. */
async function newTenant(
  t: { after(clean: () => Promise<void>): unknown },
  key: PrivateKey | null = tenantKey,
): Promise<string> {
  const tenant = `r${randomBytes(5).toString('hex')}`;
  t.after(() => removeTenant(server, home, tenant, join(home, 'nothing')));
  await addTenant(server, home, tenant, OPERATOR);
  if (key) await register(tenant, key);
  return tenant;
}

/** A card that no portfolio has brought: nothing of it has to open. */
async function addCard(tenant: string, environment: 'demo' | 'production'): Promise<void> {
  const cell = await openCell(server, home, { tenant, environment });
  const id = randomUUID();
  await cell.connect('cards', 1).run`
    insert into cards.cards
      (card_id, cardholder_id, account_id, pan_index, content_mac, version, import_number, import_line, issued_on,
       import_outcome, external_card_id, pan_first6, pan_last4, pan_sealed, expiry, service_code, status, card_type,
       product)
    values (${id}, ${id}, ${id}, ${id}, ${id}, 1, 1, 2, '2026-01-01', 'migrated', 'c1', '450917', '0009', '', '3012',
            '201', 'active', 'debit', 'classic')`;
  await cell.close();
}

async function removeCards(tenant: string, environment: 'demo' | 'production'): Promise<void> {
  const cell = await openCell(server, home, { tenant, environment });
  await cell.connect('cards', 1).run`delete from cards.cards`;
  await cell.close();
}

async function register(tenant: string, key: PrivateKey): Promise<void> {
  const cell = await openCell(server, home, { tenant, environment: 'production' });
  const db = cell.connect('keys', 1);
  const named = {
    owner: 'tenant',
    fingerprint: fingerprintOf(key),
    publicKey: key.toPublic().armor(),
  } as const;
  await storeKey(db, await openVault(cell, db), named);
  await cell.close();
}

const remove = (tenant: string, options: Partial<RemovalWanted> = {}) =>
  removeTenantForGood(server, home, tenant, { operator: OPERATOR, ...options });

/** Everything on the server that bears the tenant's name. */
async function leftOf(tenant: string): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `select datname as name from pg_database where starts_with(datname, $1)
     union all select rolname from pg_roles where starts_with(rolname, $1)`,
    [`relevo_${tenant}_`],
  );
  return rows.map(({ name }) => name);
}

test('a removed tenant is gone, has its data, and a certificate says what was destroyed', async (t) => {
  const tenant = await newTenant(t);
  const name = { tenant, environment: 'production' } as const;
  const file = (await readCellFile(home, name))!;
  await writeBackup(server, home, name, { path: backupPath(home, name, new Date()), operator: OPERATOR });
  await mkdir(join(home, 'results'), { recursive: true });
  await writeFile(join(home, 'results', `${tenant}-production-1.result.csv.gpg`), 'sealed');
  await writeFile(join(home, 'results', `${tenant}-x-production-1.result.csv.gpg`), 'of another tenant');

  const { folder, certificate, certificateFile, wasUnderWay } = await remove(tenant);
  assert.equal(wasUnderWay, false);
  assert.deepEqual(await leftOf(tenant), []);
  assert.equal(await readCellFile(home, name), null);
  assert.deepEqual(
    (await readdir(join(home, 'results'))).filter((each) => each.startsWith(tenant)),
    [`${tenant}-x-production-1.result.csv.gpg`],
  );
  assert.equal((await readdir(join(home, 'backups'))).filter((each) => each.startsWith(tenant)).length, 0);

  assert.deepEqual(
    certificate.cells.map(({ cell }) => cell),
    ENVIRONMENTS.map((environment) => `${tenant}/${environment}`),
  );
  const production = certificate.cells[2];
  assert.deepEqual(
    production.keks.map(({ fingerprint }) => fingerprint),
    keksOf(file).map(({ key }) => kekFingerprint(key)),
  );
  assert.equal(production.tokenKeys.length, file.tokenKeys!.length);
  assert.deepEqual(
    production.database!.openpgpKeys.filter(({ owner }) => owner === 'tenant'),
    [{ owner: 'tenant', fingerprint: fingerprintOf(tenantKey) }],
  );
  assert.equal(production.database!.tables.find(({ table }) => table === 'audit.entries')!.rows, 3);
  assert.match(production.database!.auditHead!, /^3:[0-9a-f]{64}$/);
  assert.equal(production.roles.length, CELL_ROLES.length);
  assert.equal(certificate.files.length, 2);
  assert.equal(certificate.by, OPERATOR);
  assert.ok(!JSON.stringify(certificate).includes(file.keks[0].key));

  // The trail of each cell, sealed to the key that the production cell knows.
  assert.deepEqual(
    certificate.exports.map(({ holds, sealedTo }) => [holds, sealedTo]),
    ENVIRONMENTS.map(() => ['audit trail', [fingerprintOf(tenantKey)]]),
  );
  const cellKey = await readKey({
    armoredKey: await readFile(join(folder, `${tenant}-production.cell-public.asc`), 'utf8'),
  });
  const trail = await openSealed(join(folder, certificate.exports[2].file), {
    tenant: tenantKey,
    cell: [cellKey],
  });
  const actions = trail
    .toString()
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { action: string }).action);
  assert.deepEqual(actions, ['cell.made', 'cell.backed_up', 'cell.removal_begun']);

  const verified = await verifyCertificate(certificateFile, (await platformPublicKey(home))!);
  assert.deepEqual(verified.certificate, certificate);
  assert.ok(verified.exports.every(({ state }) => state === 'intact'));
  assert.deepEqual(
    (await readdir(folder)).filter((each) => /removal|keys|new$/.test(each)),
    [],
  );
  await assertRefused(remove(tenant), 'unknown_tenant');
});

test('a backup of a removed tenant opens nowhere, and its name is free again', async (t) => {
  const tenant = await newTenant(t);
  const name = { tenant, environment: 'production' } as const;
  const path = join(home, `kept-by-somebody-${tenant}`);
  await writeBackup(server, home, name, { path, operator: OPERATOR });
  const first = await remove(tenant);
  await addTenant(server, home, tenant, OPERATOR);
  await assertRefused(restoreCell(server, home, name, { path, operator: OPERATOR }), 'wrong_key_file');
  const second = await remove(tenant, { withoutExport: true });
  assert.equal(second.folder, `${first.folder}-2`);
  assert.deepEqual(second.certificate.exports, []);
  assert.notEqual(
    second.certificate.cells[2].keks[0].fingerprint,
    first.certificate.cells[2].keks[0].fingerprint,
  );
});

test('a removal without an export that is given up is in the trail of the cell that stays', async (t) => {
  const tenant = await newTenant(t);
  const name = { tenant, environment: 'staging' } as const;
  const cell = await openCell(server, home, name);
  try {
    await tellOfRemoval(server, home, name, OPERATOR);
    const page = { order: 'newest_first', beyond: null, limit: 1, action: null } as const;
    const [last] = await (await openAudit(cell, 'operators')).readEntries(page);
    assert.deepEqual(
      [last.actor, last.action, last.subject, last.details],
      [OPERATOR, 'cell.removal_begun', `${tenant}/staging`, '{"export":"none"}'],
    );
  } finally {
    await cell.close();
  }
  // One whose trail cannot be written to is no hindrance: that is why it goes without an export.
  await withOwner(urlOfDatabase(server.adminUrl, databaseName(name)), 'relevo test', (client) =>
    client.query('drop schema audit cascade'),
  );
  await tellOfRemoval(server, home, name, OPERATOR);
  await tellOfRemoval(server, home, { tenant: `${tenant}x`, environment: 'demo' }, OPERATOR);
});

test('a tenant in use is not removed, and can go on', async (t) => {
  const tenant = await newTenant(t);
  const cell = await openCell(server, home, { tenant, environment: 'staging' });
  const cards = cell.connect('cards', 1);
  await cards.rows`select`;
  await assertRefused(remove(tenant), 'cell_in_use', /staging is in use: relevo cards \(1\)/);
  await cell.close();
  const again = await openCell(server, home, { tenant, environment: 'demo' });
  assert.equal((await (await openAudit(again, 'operators')).readHead()).seq, 1n, 'the door is open again');
  await again.close();
  assert.deepEqual(
    (await readdir(join(home, 'removed')).catch(() => [])).filter((each) => each.startsWith(tenant)),
    [],
  );
});

test('without a key that can be sealed to, nothing is removed', async (t) => {
  const tenant = await newTenant(t, null);
  await addCard(tenant, 'demo');
  await addCard(tenant, 'production');
  await assertRefused(remove(tenant), 'no_export_key', /demo/);
  // The key with which this home plays the tenant goes with it: nobody could open what was sealed to it.
  const cell = await openCell(server, home, { tenant, environment: 'production' });
  await registerSampleKey(cell, await sampleKey(home, tenant), OPERATOR);
  await cell.close();
  await assertRefused(remove(tenant), 'no_export_key');
  assert.equal((await leftOf(tenant)).length, 3 * (1 + CELL_ROLES.length));
  for (const environment of ['demo', 'production'] as const) await removeCards(tenant, environment);
  const other = await curveKey('Archive');
  const { certificate } = await remove(tenant, { exportKey: other.toPublic() });
  assert.ok(certificate.exports.every(({ sealedTo }) => sealedTo[0] === fingerprintOf(other)));
  assert.deepEqual(
    certificate.files.map(({ file }) => file),
    [join('sample-keys', `${tenant}.asc`)],
  );
});

test('a tenant that has brought no card needs no key: there is nothing to export', async (t) => {
  const tenant = await newTenant(t, null);
  const { certificate } = await remove(tenant);
  assert.deepEqual([certificate.exports, certificate.cells.length], [[], 3]);
  assert.deepEqual(await leftOf(tenant), []);
});

test('a tenant that was added by half is removed too', async (t) => {
  const tenant = await newTenant(t);
  await admin.query(`drop database "relevo_${tenant}_staging"`);
  const { certificate } = await remove(tenant);
  assert.equal(certificate.cells[1].database, null);
  assert.equal(certificate.cells[1].keks.length, 1);
  assert.deepEqual(await leftOf(tenant), []);
});

test('the portfolio that a tenant takes along is loaded by another cell, balance by balance', async (t) => {
  const { cell: here } = await livelyCell(t, {
    cards: `
    full
    card c1 posted=100
    card c2 posted=-50 account_type=credit limit=900 pin_format=iso0 pin_value=0123456789ABCDEF pin_key_id=k1
    card c3 posted=7 status=lost pan=c3
    hold h1 card=c1 amount=30
    token t1 card=c1`,
    messages: `
    authorise  a1 c1 20   -> 00
    authorise  a2 c1 10   -> 00
    clear      a1 25      -> 00`,
  });
  const folder = join(here.folder, 'export');
  // For its files it is andina/production, as the other cell is.
  const cell = { ...here.opened, name: { tenant: 'andina', environment: 'production' } as const };
  const archive = await curveKey('Andina archive');
  const exports = await exportCell(cell, {
    folder,
    operator: OPERATOR,
    encryptionKeys: [archive.toPublic()],
    progress: noProgress,
  });
  assert.deepEqual(
    exports.map(({ holds, records }) => [holds, records]),
    [
      ['portfolio', 3],
      ['audit trail', 2],
    ],
  );
  const told = await here.admin.rows<{ action: string }>`select action from audit.entries order by seq`;
  assert.deepEqual(
    told.map(({ action }) => action),
    ['cell.export_begun', 'cell.removal_begun'],
  );
  const csv = await openSealed(join(folder, exports[0].file), { tenant: archive, cell: [here.cellKey] });
  const there = await testCell(t);
  const { report } = await migrate(there, csv);
  assert.equal(report.reconciled, true, JSON.stringify(report));
  assert.deepEqual(report.rejections, {});
  const stored = (which: typeof here) => which.admin.rows`
    select external_account_id, posted_minor, held_minor, credit_limit_minor, account_type
      from ledger.accounts where external_account_id is not null order by 1`;
  assert.deepEqual(await stored(there), await stored(here));
  const cards = (which: typeof here) => which.admin.rows`
    select external_card_id, status, pan_first6, pan_last4, pin_format from cards.cards order by 1`;
  assert.deepEqual(await cards(there), await cards(here));
  const tokens = await there.admin.rows`select external_token_ref from cards.tokens`;
  assert.equal(tokens.length, 1);
});

test('a certificate that was altered, or signed by another platform, is told', async (t) => {
  const tenant = await newTenant(t);
  const { certificateFile } = await remove(tenant, { withoutExport: true });
  const key = (await platformPublicKey(home))!;
  assert.equal(key.d, undefined);
  await verifyCertificate(certificateFile, key);
  const text = await readFile(certificateFile, 'utf8');
  await writeFile(certificateFile, text.replace(OPERATOR, 'nobody.else'));
  await assertRefused(verifyCertificate(certificateFile, key), 'certificate_altered');
  await writeFile(certificateFile, text.trimEnd());
  await assertRefused(verifyCertificate(certificateFile, key), 'certificate_altered');
  await writeFile(certificateFile, text);
  const other = await makeHome();
  const { kid, ...stranger } = await platformKey(other);
  await removeHome(other);
  await assertRefused(
    verifyCertificate(certificateFile, { kid, ...stranger }),
    'certificate_of_another_platform',
  );
  await assertRefused(verifyCertificate(certificateFile, stranger), 'certificate_altered');
  await assertRefused(verifyCertificate(certificateFile, { kty: 'RSA' }), 'bad_platform_key');
  const signature = certificateFile.replace('.json', '.jws');
  await writeFile(signature, '{}');
  await assertRefused(verifyCertificate(certificateFile, key), 'certificate_altered', /signature/);
  await assertRefused(verifyCertificate(join(home, 'none.json'), key), 'no_such_file');
});
