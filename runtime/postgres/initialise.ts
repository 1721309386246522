import { chown, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { SUPERUSER } from './connect.ts';
import { diskFull, ServerError, useYourOwnServer } from './errors.ts';
import { syncFolder } from '#runtime/files/write-aside.ts';
import { runProgram } from './run-program.ts';
import { isNamed, nobody, type Account } from './unprivileged.ts';

interface Initialising {
  readonly base: string;
  readonly binaries: Binaries;
  readonly account?: Account;
  readonly password: string;
}

/** Makes the data folder aside and renames it into place: an interrupted initdb leaves nothing that counts. */
export async function initialise({ base, binaries, account, password }: Initialising): Promise<void> {
  for (const name of await readdir(base)) {
    if (name.startsWith('init-')) await rm(join(base, name), { recursive: true, force: true, maxRetries: 5 });
  }
  // initdb insists on a user with a name; `mendOwner` gives what it made to one who has only a number.
  const maker = account === undefined || isNamed(account) ? account : nobody();
  const draft = await mkdtemp(join(base, 'init-'));
  const passwordFile = join(draft, 'password');
  try {
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (maker !== undefined) {
      for (const path of [draft, passwordFile]) await chown(path, maker.uid, maker.gid);
    }
    const { code, said } = await runProgram({
      program: join(binaries.folder, 'bin', 'initdb'),
      args: [
        ...['--pgdata', join(draft, 'data'), '--username', SUPERUSER, '--pwfile', passwordFile],
        ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--data-checksums', '--no-instructions'],
        ...['--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
      ],
      account: maker,
    });
    if (code !== 0) throw initFailed(base, said);
    await rename(join(draft, 'data'), join(base, 'data'));
    await syncFolder(base);
  } finally {
    await rm(draft, { recursive: true, force: true, maxRetries: 5 });
  }
}

function initFailed(base: string, said: string): ServerError {
  if (said.includes('No space left on device')) return diskFull(base);
  if (said.includes('could not look up effective user ID')) {
    return new ServerError('not_permitted', {
      what: 'PostgreSQL initialises its data only as a user with a name, and this one has only a number.',
      where: '/etc/passwd',
      next: `Give user number ${process.getuid?.()} a line in that file, or ${useYourOwnServer}.`,
    });
  }
  return new ServerError('start_failed', {
    what: `PostgreSQL could not initialise its data folder: ${said.trim().split('\n').slice(-3).join(' / ')}`,
    where: base,
    next: 'Mend what it names, then run the command again; nothing was left behind.',
  });
}
