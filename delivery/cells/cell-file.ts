import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { JWK } from 'jose';
import { Refusal } from '#runtime/refusal.ts';
import { newKey, type VersionedKey } from '#runtime/vault/seal.ts';
import { type CellName, cellText, ENVIRONMENTS, type Environment } from './cell-name.ts';
import { readJson, writeSecretJson } from './secret-file.ts';

/** A key that signs the tokens of the cell's clients (ES256), as a JWK with its private half. */
export interface TokenKey {
  readonly kid: string;
  readonly jwk: JWK;
  readonly madeAt: string;
}

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
  /** Newest last: it signs. Older ones stay while a token that they signed may be about. */
  readonly tokenKeys?: readonly TokenKey[];
  /** Under which the secrets of API clients are hashed; base64, 32 bytes. Never changes. */
  readonly clientSecretKey?: string;
}

export const cellsFolder = (home: string) => join(home, 'cells');
export const cellFilePath = (home: string, { tenant, environment }: CellName): string =>
  join(cellsFolder(home), tenant, `${environment}.json`);

export const newKek = (version: number, now: Date): CellFile['keks'][number] => ({
  version,
  key: newKey().export().toString('base64'),
  madeAt: now.toISOString(),
});

export function newTokenKey(now: Date): TokenKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const kid = randomBytes(9).toString('base64url');
  return { kid, jwk: privateKey.export({ format: 'jwk' }) as JWK, madeAt: now.toISOString() };
}

/** The same file with the keys for API clients: a cell of an earlier release has none. */
export const withTokenKeys = (file: CellFile, now: Date): CellFile =>
  file.tokenKeys && file.clientSecretKey
    ? file
    : {
        ...file,
        tokenKeys: file.tokenKeys ?? [newTokenKey(now)],
        clientSecretKey: file.clientSecretKey ?? randomBytes(32).toString('base64'),
      };

export const newCellFile = (name: CellName, roles: readonly string[], now: Date): CellFile =>
  withRoles(withTokenKeys({ format: 1, ...name, passwords: {}, keks: [newKek(1, now)] }, now), roles);

/** The same file with a password for every role: a release can bring roles that a cell did not have. */
export function withRoles(file: CellFile, roles: readonly string[]): CellFile {
  const missing = roles.filter((role) => !(role in file.passwords));
  if (missing.length === 0) return file;
  const made = Object.fromEntries(missing.map((role) => [role, randomBytes(24).toString('base64url')]));
  return { ...file, passwords: { ...file.passwords, ...made } };
}

export const keksOf = (file: CellFile): VersionedKey[] =>
  file.keks.map(({ version, key }) => ({ version, key: createSecretKey(Buffer.from(key, 'base64')) }));

export const readCellFile = (home: string, name: CellName): Promise<CellFile | null> =>
  readJson(
    cellFilePath(home, name),
    () =>
      new Refusal('cell_file_broken', `The cell file of ${cellText(name)} is not valid JSON.`, {
        advice: `Restore ${cellFilePath(home, name)} from your backup; without it the cell's card data cannot be opened.`,
      }),
  );

export const writeCellFile = (home: string, file: CellFile): Promise<void> =>
  writeSecretJson(cellFilePath(home, file), file);

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
