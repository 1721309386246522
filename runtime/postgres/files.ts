import { chmod, chown, mkdir, readFile } from 'node:fs/promises';
import { codeOf } from './errors.ts';
import type { Account } from './unprivileged.ts';

interface Writing {
  readonly mode: number;
  /** Whose it becomes; given only when this process is root. */
  readonly owner?: Account;
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes a folder if there is none; one that is there stays as its owner wants it. */
export async function makeFolder(path: string, { mode, owner }: Writing): Promise<void> {
  const made = await mkdir(path, { recursive: true });
  if (made === undefined) return;
  await chmod(path, mode); // whatever the umask
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}
