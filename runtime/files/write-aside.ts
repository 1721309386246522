import { randomUUID } from 'node:crypto';
import { chown, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Writing {
  readonly mode?: number;
  /** Whose it becomes; given only when this process is root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Where it is written first: a name of this writing's own, unless whoever finds leftovers has to know it. */
  readonly aside?: string;
}

/** Its owner alone reads it. */
const SECRET = 0o600;

/**
 * Writes a file so that it is there whole or not at all, whatever is killed or loses power: aside, to the disk, renamed,
 * and the folder to the disk. Of several who write at once the last one's stays. Of one that fails nothing is left.
 */
export async function writeAside(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  { mode = SECRET, owner, aside = `${path}.${randomUUID()}.new` }: Writing = {},
): Promise<void> {
  await writeDraft(aside, content, { mode, owner });
  await rename(aside, path);
  await syncFolder(dirname(path));
}

/** The first half of it: a whole file on the disk, under a name that nobody looks for yet. */
export async function writeDraft(
  draft: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  { mode = SECRET, owner }: Writing = {},
): Promise<void> {
  const handle = await open(draft, 'w', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
    if (owner !== undefined) await chown(draft, owner.uid, owner.gid);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await handle.close();
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
