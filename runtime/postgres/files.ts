import { chmod, chown, mkdir, open, readFile, rename } from 'node:fs/promises';
import { codeOf } from './errors.ts';
import type { Account } from './unprivileged.ts';

interface Writing {
  readonly mode: number;
  /** Whose it becomes; given only when this process is root. */
  readonly owner?: Account;
}

/** Writes a small file so that it is there whole or not at all, whatever is killed or loses power. */
export async function writeWhole(file: string, text: string, { mode, owner }: Writing): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, 'w', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (owner !== undefined) await chown(draft, owner.uid, owner.gid);
  await rename(draft, file);
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes a folder's own entries (a rename, a new file) survive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder if there is none; one that is there stays as its owner wants it. */
export async function makeFolder(path: string, { mode, owner }: Writing): Promise<void> {
  const made = await mkdir(path, { recursive: true });
  if (made === undefined) return;
  await chmod(path, mode); // whatever the umask
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}
