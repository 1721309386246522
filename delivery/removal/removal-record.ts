import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '#runtime/files/write-aside.ts';
import { Refusal } from '#runtime/refusal.ts';
import { readJson, writeSecretJson } from '../cells/secret-file.ts';
import { certificatePath, signaturePath } from './certificate.ts';
import type { Export } from './export-cell.ts';
import type { CellInventory } from './inventory.ts';
import { entriesOf, type TenantFileFound } from './tenant-files.ts';

/**
 * A removal under way, on the disk before anything of it takes place:
 *
 *   exporting    nothing is destroyed; another run writes the exports anew
 *   destroying   exports and inventory are complete, and parts may be gone: another run only goes on
 *   shredding    databases, roles and files are gone; of the tenant there are the keys, or what is left of them
 *
 * It goes when the certificate is signed.
 */
export interface RemovalRecord {
  readonly id: string;
  readonly tenant: string;
  readonly begunAt: string;
  readonly by: string;
  readonly state: 'exporting' | 'destroying' | 'shredding';
  readonly cells: readonly CellInventory[];
  readonly files: readonly TenantFileFound[];
  readonly exports: readonly Export[];
}

export const removedFolder = (home: string): string => join(home, 'removed');
const recordPath = (folder: string) => join(folder, 'removal.json');

/** The folder of a removal that has not come to its end, with its record. */
export async function findUnfinished(
  home: string,
  tenant: string,
): Promise<{ folder: string; record: RemovalRecord } | null> {
  const ofTenant = new RegExp(`^${tenant}-\\d{4}-\\d{2}-\\d{2}(?:-\\d+)?$`);
  for (const name of await entriesOf(removedFolder(home))) {
    if (!ofTenant.test(name)) continue;
    const folder = join(removedFolder(home), name);
    const record = await readJson<RemovalRecord>(
      recordPath(folder),
      () =>
        new Refusal('removal_broken', `${recordPath(folder)} is not valid JSON.`, {
          advice: 'It says how far the removal had come. Restore it from your backup of the home.',
        }),
    );
    if (record) return { folder, record };
  }
  return null;
}

/** A folder that no removal has used: a tenant of the same name may have been removed on the same day. */
export async function newFolder(home: string, tenant: string, now: Date): Promise<string> {
  const first = join(removedFolder(home), `${tenant}-${now.toISOString().slice(0, 10)}`);
  for (let nth = 1; ; nth++) {
    const folder = nth === 1 ? first : `${first}-${nth}`;
    if (await stat(folder).catch(() => null)) continue;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }
}

export async function writeRecord(folder: string, record: RemovalRecord): Promise<void> {
  await writeSecretJson(recordPath(folder), record);
}

/** The certificate says everything that the record did. */
export async function endRecord(folder: string): Promise<{ certificate: string; signature: string }> {
  await rm(recordPath(folder));
  await syncFolder(folder);
  const certificate = certificatePath(folder);
  return { certificate, signature: signaturePath(certificate) };
}
