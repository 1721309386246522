import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { backupsFolder } from '../backup/write-backup.ts';
import { ENVIRONMENTS } from '../cells/cell-name.ts';
import { sampleKeyPath } from '../local/sample-key.ts';

/** A file that was there for a tenant alone. */
export interface TenantFileFound {
  /** Below the home. */
  readonly file: string;
  readonly bytes: number;
}

/**
 * Where a home keeps what belongs to one tenant besides its cells' key files, and how its names are told from those of
 * others. Whoever keeps further files of a tenant adds a line here: what is not named is not removed.
 */
const places = (home: string, tenant: string) => {
  const cell = `${tenant}-(?:${ENVIRONMENTS.join('|')})`;
  return [
    { folder: join(home, 'results'), name: new RegExp(`^${cell}-\\d+\\.result\\.csv\\.gpg(?:\\..*)?$`) },
    { folder: backupsFolder(home), name: new RegExp(`^${cell}-\\d{8}T\\d{6}Z\\.relevo-backup(?:\\..*)?$`) },
    { folder: dirname(sampleKeyPath(home, tenant)), name: new RegExp(`^${tenant}\\.asc$`) },
  ];
};

export async function findTenantFiles(home: string, tenant: string): Promise<TenantFileFound[]> {
  const found: TenantFileFound[] = [];
  for (const { folder, name } of places(home, tenant))
    for (const entry of (await entriesOf(folder)).sort())
      if (name.test(entry)) {
        const path = join(folder, entry);
        found.push({ file: path.slice(home.length + 1), bytes: (await stat(path)).size });
      }
  return found;
}

export async function entriesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

/** SHA-256 of a file, in memory that does not grow with it. */
export async function sha256Of(path: string): Promise<string> {
  const digest = createHash('sha256');
  await pipeline(createReadStream(path), digest);
  return digest.digest('hex');
}
