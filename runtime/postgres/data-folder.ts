import { chmod, chown, lchown, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, ServerError } from './errors.ts';
import { readIfThere } from './files.ts';
import type { Home } from './home.ts';
import { isRoot, nobody, type Account } from './unprivileged.ts';

/** The user the server runs as, or undefined for the user of this process. */
export async function accountFor(home: Home, base: string, runAs?: Account): Promise<Account | undefined> {
  if (!isRoot()) return undefined;
  const data = await ownerOf(join(base, 'data'));
  if (data !== undefined && data.uid !== 0) return data;
  return runAs ?? home.owner ?? nobody();
}

/** Whether there is data. Refuses what no server of this version could have left, before a server has to. */
export async function hasData(home: Home, base: string, serverVersion: string): Promise<boolean> {
  const major = serverVersion.split('.')[0]; // data belongs to one major version
  const data = join(base, 'data');
  const version = (await readIfThere(join(data, 'PG_VERSION')))?.trim();
  if (version === major) return true;
  if (version !== undefined) {
    throw new ServerError('data_version', {
      what: `The data was written by PostgreSQL ${version}, and this is PostgreSQL ${major}.`,
      where: data,
      next: `Use the release that wrote it, or move the folder away to begin with an empty database.`,
    });
  }
  const entries = await readdir(data).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
  if (entries.length > 0) {
    throw new ServerError('data_damaged', {
      what: 'The data folder is not complete: it has no file PG_VERSION.',
      where: data,
      next: 'Copy it again from where it came from, or move it away to begin with an empty database.',
    });
  }
  if (base !== home.own) {
    throw new ServerError('data_missing', {
      what: 'The data of this home is gone.',
      where: data,
      next: `Bring it back (was it in a container that ended?), or remove ${home.own} to begin with an empty database.`,
    });
  }
  return false;
}

/** A copied folder may have lost the owner and the mode that PostgreSQL insists on. */
export async function mendOwner(base: string, account: Account | undefined): Promise<void> {
  const data = join(base, 'data');
  const { uid, mode } = await stat(data);
  if (account === undefined && uid !== process.getuid?.()) {
    throw new ServerError('not_permitted', {
      what: `The data belongs to user number ${uid}, and PostgreSQL runs only as the owner of its data.`,
      where: data,
      next: `Run as that user or as root, or give the folder to yourself (chown -R).`,
    });
  }
  if (account !== undefined && uid !== account.uid) {
    for (const entry of await readdir(data, { recursive: true })) {
      await lchown(join(data, entry), account.uid, account.gid);
    }
    await chown(data, account.uid, account.gid);
  }
  if ((mode & 0o027) !== 0) await chmod(data, 0o700);
}

async function ownerOf(path: string): Promise<Account | undefined> {
  try {
    const { uid, gid } = await stat(path);
    return { uid, gid };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
