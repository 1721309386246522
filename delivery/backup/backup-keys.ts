import { hkdfSync, type KeyObject } from 'node:crypto';
import type { CellFile } from '../cells/cell-file.ts';
import { keksOf } from '../cells/cell-file.ts';
import { cellText, type CellName } from '../cells/cell-name.ts';

export const SALT_BYTES = 32;
const KEY_BYTES = 32;
const FINGERPRINT_BYTES = 16;

/** Names a key-encryption key without telling anything of it: it is derived from the key and from nothing else. */
export const kekFingerprint = (kek: KeyObject): string =>
  Buffer.from(
    hkdfSync('sha256', kek, Buffer.alloc(0), 'relevo kek fingerprint 1', FINGERPRINT_BYTES),
  ).toString('hex');

export interface NamedKek {
  readonly version: number;
  readonly key: KeyObject;
  readonly fingerprint: string;
}

/** The key-encryption keys of a cell with their names, the newest last. */
export const namedKeks = (file: CellFile): NamedKek[] =>
  keksOf(file).map((kek) => ({ ...kek, fingerprint: kekFingerprint(kek.key) }));

/** The key of one backup. Its salt is drawn for it, so no two backups share a key, and frames may count as nonces. */
export const backupKey = (kek: KeyObject, salt: Buffer, cell: CellName): Buffer =>
  Buffer.from(hkdfSync('sha256', kek, salt, `relevo backup 1 ${cellText(cell)}`, KEY_BYTES));
