import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Refusal } from '#runtime/refusal.ts';
import { newKey, type VersionedKey } from '#runtime/vault/seal.ts';
import { type CellName, cellText, ENVIRONMENTS, type Environment } from './cell-name.ts';

/**
 * What a process needs to enter a cell and the database must never hold: the passwords of its roles and the
 * key-encryption keys. One file per cell, readable by its owner alone. A worker on another machine gets a copy.
 */
export interface CellFile {
  readonly format: 1;
  readonly tenant: string;
  readonly environment: Environment;
  readonly passwords: Readonly<Record<string, string>>;
  /** Key-encryption keys, newest last; older ones stay until every data key is wrapped anew. */
  readonly keks: readonly { readonly version: number; readonly key: string; readonly madeAt: string }[];
}

const cellsFolder = (home: string) => join(home, 'cells');
const pathOf = (home: string, { tenant, environment }: CellName) =>
  join(cellsFolder(home), tenant, `${environment}.json`);

export const newKek = (version: number, now: Date): CellFile['keks'][number] => ({
  version,
  key: newKey().export().toString('base64'),
  madeAt: now.toISOString(),
});

export const newCellFile = (name: CellName, roles: readonly string[], now: Date): CellFile =>
  withRoles({ format: 1, ...name, passwords: {}, keks: [newKek(1, now)] }, roles);

/** The same file with a password for every role: a release can bring roles that a cell did not have. */
export function withRoles(file: CellFile, roles: readonly string[]): CellFile {
  const missing = roles.filter((role) => !(role in file.passwords));
  if (missing.length === 0) return file;
  const made = Object.fromEntries(missing.map((role) => [role, randomBytes(24).toString('base64url')]));
  return { ...file, passwords: { ...file.passwords, ...made } };
}

export const keksOf = (file: CellFile): VersionedKey[] =>
  file.keks.map(({ version, key }) => ({ version, key: createSecretKey(Buffer.from(key, 'base64')) }));

export async function readCellFile(home: string, name: CellName): Promise<CellFile | null> {
  let text: string;
  try {
    text = await readFile(pathOf(home, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return JSON.parse(text) as CellFile;
  } catch {
    throw new Refusal('cell_file_broken', `The cell file of ${cellText(name)} is not valid JSON.`, {
      advice: `Restore ${pathOf(home, name)} from your backup; without it the cell's card data cannot be opened.`,
    });
  }
}

/** Written aside and renamed, so that a crash leaves the old file or the new one, never half of one. */
export async function writeCellFile(home: string, file: CellFile): Promise<void> {
  const path = pathOf(home, file);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const aside = `${path}.${process.pid}.new`;
  const handle = await open(aside, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(file, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, path);
}

export async function listCells(home: string): Promise<CellName[]> {
  const tenants = await readdir(cellsFolder(home)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const cells: CellName[] = [];
  for (const tenant of tenants.sort()) {
    const files = new Set(await readdir(join(cellsFolder(home), tenant)));
    for (const environment of ENVIRONMENTS)
      if (files.has(`${environment}.json`)) cells.push({ tenant, environment });
  }
  return cells;
}
