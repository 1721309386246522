import { existsSync } from 'node:fs';
import { chown, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerError } from './errors.ts';
import { accountMay, type Account } from './unprivileged.ts';

/**
 * A new folder for each start, with a name nobody can guess or occupy: a folder with a fixed name in a
 * temporary folder open to all would let another user pose as the server.
 */
export async function makeSocketFolder(account: Account | undefined): Promise<string> {
  const lengthMax = process.platform === 'darwin' ? 103 : 107;
  for (const parent of new Set([tmpdir(), '/tmp'])) {
    if (Buffer.byteLength(join(parent, 'relevo-XXXXXX', '.s.PGSQL.5432')) > lengthMax) continue;
    if (account !== undefined && !(await accountMay(account, ['may enter', parent]))) continue;
    const folder = await mkdtemp(join(parent, 'relevo-')); // mode 700
    if (account !== undefined) await chown(folder, account.uid, account.gid);
    return folder;
  }
  throw new ServerError('socket_path_too_long', {
    what: `The path of the server's socket would be longer than the system allows, or its user cannot reach it.`,
    where: tmpdir(),
    next: 'Set TMPDIR to a folder with a short path.',
  });
}

/** After a SIGKILL the socket and its lock are left in it. */
export async function removeSocketFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith('.s.PGSQL.')) await rm(join(folder, name), { force: true });
  }
  if (existsSync(folder)) await rmdir(folder);
}
