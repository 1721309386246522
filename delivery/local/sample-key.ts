import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { generateCellKey, readPrivateKey } from '#runtime/openpgp/keys.ts';
import { listKeys, storeKey } from '../cells/cell-keys.ts';
import { openAudit } from '../cells/open-audit.ts';
import { type Cell, openVault } from '../cells/open-cell.ts';

export const sampleKeyPath = (home: string, tenant: string): string =>
  join(home, 'sample-keys', `${tenant}.asc`);

/**
 * The key with which this home plays the tenant and signs synthetic portfolios. Its private half lies here in
 * the clear, so it must never speak for a tenant whose own key is registered in production.
 */
export async function sampleKey(home: string, tenant: string): Promise<PrivateKey> {
  const path = sampleKeyPath(home, tenant);
  const known = await readFile(path).catch(() => null);
  if (known) return readPrivateKey(known);
  const key = await generateCellKey({ name: `${tenant} (synthetic portfolios only)` });
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, key.armor(), { mode: 0o600, flag: 'wx' });
  return key;
}

/** Registers the sample key where that is safe; answers whether the cell takes files signed with it. */
export async function registerSampleKey(cell: Cell, key: PrivateKey, operator: string): Promise<boolean> {
  const db = cell.connect('keys', 1);
  const fingerprint = key.getFingerprint().toUpperCase();
  const tenantKeys = (await listKeys(db)).filter(({ owner }) => owner === 'tenant');
  if (tenantKeys.some((known) => known.fingerprint.toUpperCase() === fingerprint)) return true;
  if (cell.name.environment === 'production' && tenantKeys.length > 0) return false;
  const vault = await openVault(cell, db);
  const audit = await openAudit(cell, 'keys');
  await db.transaction(async (tx) => {
    await storeKey(tx, vault, { owner: 'tenant', fingerprint, publicKey: key.toPublic().armor() });
    const details = { as: 'tenant', key_of: 'samples' };
    // Before the commit: no key without its entry.
    await audit.appendEntries([{ actor: operator, action: 'keys.imported', subject: fingerprint, details }]);
  });
  return true;
}
