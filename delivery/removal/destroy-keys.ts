import { randomFillSync } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crashPoint } from '#runtime/crash-point.ts';
import { syncFolder } from '#runtime/files/write-aside.ts';
import { cellsFolder } from '../cells/cell-file.ts';

const setAside = (folder: string) => join(folder, 'keys');

/**
 * Destroys a tenant's key files. They leave `cells/` all at once, so that no process finds some of them, and a tenant
 * of the same name that is added later is told from this one. Then each is overwritten, flushed and removed: a disk
 * that writes elsewhere may keep the old blocks, but nothing here leads to them any more.
 */
export async function destroyKeys(home: string, tenant: string, folder: string): Promise<void> {
  const from = join(cellsFolder(home), tenant);
  if (await isThere(from)) {
    await rename(from, setAside(folder));
    await syncFolder(cellsFolder(home));
    await syncFolder(folder);
  }
  crashPoint('removal:keys-set-aside');
  await shredKeys(folder);
}

/** What an earlier run has set aside and had no time for. */
export async function shredKeys(folder: string): Promise<void> {
  const keys = setAside(folder);
  if (!(await isThere(keys))) return;
  for (const name of await readdir(keys)) await shred(join(keys, name));
  await rm(keys, { recursive: true });
  await syncFolder(dirname(keys));
  crashPoint('removal:keys-destroyed');
}

async function shred(path: string): Promise<void> {
  const { size } = await stat(path);
  const file = await open(path, 'r+');
  try {
    await file.write(randomFillSync(Buffer.alloc(size)), 0, size, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await rm(path);
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
