import { hkdfSync } from 'node:crypto';
import { keksOf, type CellFile } from './cell-file.ts';
import { cellText } from './cell-name.ts';

const TOKEN_BYTES = 32;

/**
 * What hosts that speak HTTP have to know of a cell. It is derived from the newest key-encryption key, so nothing new
 * is kept anywhere, every process that holds the cell file knows it, and rotating the keys gives another one.
 */
export function httpToken(file: CellFile): string {
  const { key } = keksOf(file).at(-1)!;
  const derived = hkdfSync(
    'sha256',
    key,
    Buffer.alloc(0),
    `relevo http token 1 ${cellText(file)}`,
    TOKEN_BYTES,
  );
  return `relevo_${Buffer.from(derived).toString('base64url')}`;
}
